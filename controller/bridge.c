/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bridge.h"

#include <inttypes.h>
#include <stdlib.h>

#include "bridge-ports.h"
#include "bridge-sync.h"
#include "byte-order.h"
#include "flow.h"
#include "flow-message.h"
#include "flow-news.h"
#include "openflow-link.h"
#include "openvswitch/list.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-connection.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(bridge);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 60);

/* Packets from the switch that wait for the caller, at most. */
#define MAX_PACKETS 4096
/* A frame that still fits in an OpenFlow message. */
#define MAX_FRAME 65000
/* Bytes that wait for the switch, at most, before packets are dropped. */
#define MAX_BACKLOG (4 * 1024 * 1024)
/* Messages taken in one run. */
#define MAX_MESSAGES 500
/* How long a bridge that is let go may take to delete our flows. */
#define DETACH_TIMEOUT 1000 /* ms */
/* How long a switch is waited for to tell its ports. */
#define PORTS_TIMEOUT 2000 /* ms */

/*
 *     +--> DISCONNECTED
 *     |        | connected: ask features, configuration, ports
 *     |        v
 *     |    GREETING ---- wrong datapath id: drop ----+
 *     |        | features and configuration          |
 *     |        v                                     |
 *     |      READY  (bridge_sync has begun)          |
 *     |        | connection lost                     |
 *     +--------+-------------------------------------+
 *
 * A bridge that is detached goes from GREETING or READY to LEAVING: what is
 * ours is being deleted.  When the switch has answered, the connection is
 * closed for good, and the bridge is "clean".
 */
enum bridge_state {
    BRIDGE_DISCONNECTED,
    BRIDGE_GREETING,
    BRIDGE_READY,
    BRIDGE_LEAVING,
};

struct queued_packet {
    struct ovs_list list_node; /* In 'packets'. */
    struct bridge_packet packet;
};

struct bridge {
    char *name;
    char *target; /* NULL: the bridge connects to us. */
    uint64_t datapath_id;
    struct flow_layout layout;

    struct openflow_link *link; /* NULL: none, if there is no target. */
    unsigned int link_seqno;    /* Of 'link', when last looked at. */
    enum bridge_state state;
    enum ofp_version version;
    bool features_ok; /* GREETING: the datapath id is right. */
    /* READY, not asked for its flows yet: until its ports are known, and
     * whoever wants flows for them has had a turn.  What is not wanted when the
     * flows are compared is deleted. */
    bool waits_for_ports;
    bool ports_told;
    bool meters_refused;          /* Meanwhile. */
    long long int ports_deadline; /* time_msec(): it is not waited longer. */
    uint32_t meter_xids[4];       /* Of the meters' additions; 0: none. */

    bool detached;        /* Nothing of ours is to be there... */
    bool clean;           /* ...and nothing is. */
    uint32_t leaving_xid; /* LEAVING: of the barrier. */

    struct bridge_sync *sync;
    bool synchronised; /* When last looked at. */
    unsigned int seqno;
    struct bridge_ports ports;

    struct ovs_list packets; /* Of "struct queued_packet"s. */
    size_t n_packets;
    uint64_t n_repaired; /* Of 'sync', when last looked at. */
    uint64_t n_violations;
    uint64_t n_dropped; /* Packets that found the queue full. */

    char *refusal; /* Why it is not to be used, or NULL. */
    char *error;   /* Why there is no connection, or NULL. */
    char *status;  /* What bridge_get_status() returned last. */
};

static void
open_link(struct bridge *br)
{
    if (br->target) {
        char *peer_id = xasprintf("bridge/%s", br->name);

        br->link = openflow_link_open(br->target, peer_id);
        free(peer_id);
    }
}

struct bridge *
bridge_create(const char *name, const char *target, uint64_t datapath_id,
              const struct flow_layout *layout)
{
    struct bridge *br = xzalloc(sizeof *br);

    br->name = xstrdup(name);
    br->target = nullable_xstrdup(target);
    br->datapath_id = datapath_id;
    br->layout = *layout;
    br->sync = bridge_sync_create(name, layout->first_table, BATON_COOKIE,
                                  BATON_COOKIE_MASK);
    bridge_ports_init(&br->ports);
    ovs_list_init(&br->packets);
    open_link(br);
    return br;
}

/* Sending. */

static uint32_t
send_msg(struct bridge *br, struct ofpbuf *msg)
{
    uint32_t xid = ntohl(((const struct ofp_header *) msg->data)->xid);

    openflow_link_send(br->link, msg);
    return xid;
}

static uint32_t
meter_id(const struct bridge *br, size_t i)
{
    const uint32_t ids[] = { br->layout.meter_id,
                             br->layout.attachment_meter_id,
                             br->layout.size_meter_id,
                             br->layout.mapping_meter_id };

    BUILD_ASSERT_DECL(ARRAY_SIZE(ids) == ARRAY_SIZE(br->meter_xids));
    return ids[i];
}

static void
send_meters(struct bridge *br, uint16_t command)
{
    for (size_t i = 0; i < ARRAY_SIZE(br->meter_xids); i++) {
        uint32_t id = meter_id(br, i);

        br->meter_xids[i] = id ? send_msg(br, flow_message_meter(
                                                  id, br->layout.packet_ins,
                                                  command, br->version))
                               : 0;
    }
}

/* Has the switch delete all that is ours.  Returns the xid of the barrier that
 * says that it did. */
static uint32_t
send_farewell(struct bridge *br)
{
    uint32_t xid;

    send_msg(br, flow_message_delete_all(BATON_COOKIE, BATON_COOKIE_MASK,
                                         br->version));
    send_meters(br, OFPMC13_DELETE);
    xid = send_msg(br, ofputil_encode_barrier_request(br->version));
    openflow_link_flush(br->link);
    return xid;
}

/* Waits until the switch has done what it was told, or for DETACH_TIMEOUT. */
static void
wait_for_barrier(struct bridge *br, uint32_t xid)
{
    long long int deadline = time_msec() + DETACH_TIMEOUT;

    while (time_msec() < deadline) {
        struct ofpbuf *msg;
        bool done = false;

        openflow_link_run(br->link);
        while (!done && (msg = openflow_link_recv(br->link))) {
            done = ntohl(((const struct ofp_header *) msg->data)->xid) == xid;
            ofpbuf_delete(msg);
        }
        if (done || !openflow_link_is_connected(br->link)) {
            return;
        }
        openflow_link_wait(br->link);
        poll_timer_wait_until(deadline);
        poll_block();
    }
    VLOG_WARN("%s: our flows may not all be deleted: no answer from the "
              "switch",
              br->name);
}

void
bridge_destroy(struct bridge *br, bool detach)
{
    struct bridge_packet packet;

    if (!br) {
        return;
    }
    if (detach && br->state == BRIDGE_READY) {
        wait_for_barrier(br, send_farewell(br));
    }
    bridge_sync_destroy(br->sync);
    openflow_link_close(br->link);
    bridge_ports_destroy(&br->ports);
    while (bridge_next_packet(br, &packet)) {
        free(packet.data);
    }
    free(br->name);
    free(br->target);
    free(br->refusal);
    free(br->error);
    free(br->status);
    free(br);
}

/* Looking. */

const char *
bridge_get_name(const struct bridge *br)
{
    return br->name;
}

uint64_t
bridge_get_datapath_id(const struct bridge *br)
{
    return br->datapath_id;
}

const char *
bridge_get_target(const struct bridge *br)
{
    return br->target;
}

bool
bridge_is_connected(const struct bridge *br)
{
    return br->state == BRIDGE_READY;
}

bool
bridge_is_synchronised(const struct bridge *br)
{
    return (br->state == BRIDGE_READY && !br->refusal
            && bridge_sync_is_synchronised(br->sync));
}

void
bridge_refuse(struct bridge *br, const char *reason)
{
    if (!nullable_string_is_equal(br->refusal, reason)) {
        if (reason) {
            VLOG_ERR("%s: refused: %s", br->name, reason);
        }
        free(br->refusal);
        br->refusal = nullable_xstrdup(reason);
    }
}

const char *
bridge_get_status(const struct bridge *br_)
{
    struct bridge *br = CONST_CAST(struct bridge *, br_);
    struct ds s = DS_EMPTY_INITIALIZER;

    if (br->detached) {
        ds_put_cstr(&s, br->clean ? "detached"
                                  : "detached, but it has not yet deleted "
                                    "what is ours");
    } else if (br->state == BRIDGE_DISCONNECTED) {
        ds_put_cstr(&s, "not connected");
        if (br->error) {
            ds_put_format(&s, ": %s", br->error);
        }
    } else {
        /* OFP13_VERSION is 4. */
        ds_put_format(&s, "connected, OpenFlow 1.%d", br->version - 1);
        if (br->refusal) {
            ds_put_format(&s, ", refused: %s", br->refusal);
        } else if (br->state == BRIDGE_GREETING) {
            ds_put_cstr(&s, ", not yet known");
        } else if (bridge_sync_n_refused(br->sync)) {
            ds_put_format(&s, ", refuses %" PRIuSIZE " flows",
                          bridge_sync_n_refused(br->sync));
        } else if (!bridge_sync_is_synchronised(br->sync)) {
            ds_put_cstr(&s, ", synchronising");
        }
    }
    free(br->status);
    br->status = ds_steal_cstr(&s);
    return br->status;
}

unsigned int
bridge_get_seqno(const struct bridge *br)
{
    return br->seqno;
}

/* The connection. */

static void
set_error(struct bridge *br, const char *error)
{
    free(br->error);
    br->error = nullable_xstrdup(error);
}

/* Asks what must be known before anything else. */
static void
start_greeting(struct bridge *br)
{
    br->state = BRIDGE_GREETING;
    br->version = openflow_link_get_version(br->link);
    br->features_ok = false;
    br->n_violations = br->n_dropped = 0;
    set_error(br, NULL);

    send_msg(br, ofpraw_alloc(OFPRAW_OFPT_FEATURES_REQUEST, br->version, 0));
    send_msg(br, ofpraw_alloc(OFPRAW_OFPT_GET_CONFIG_REQUEST, br->version, 0));
    openflow_link_flush(br->link);
}

static void
stop(struct bridge *br)
{
    if (br->state != BRIDGE_DISCONNECTED) {
        br->state = BRIDGE_DISCONNECTED;
        br->waits_for_ports = false;
        bridge_sync_stop(br->sync);
        bridge_ports_clear(&br->ports);
    }
}

/* What sync has on its way is before it, on the same connection. */
static void
start_leaving(struct bridge *br)
{
    br->waits_for_ports = false;
    bridge_sync_stop(br->sync);
    br->leaving_xid = send_farewell(br);
    br->state = BRIDGE_LEAVING;
}

static void
close_link(struct bridge *br)
{
    stop(br);
    openflow_link_close(br->link);
    br->link = NULL;
}

void
bridge_detach(struct bridge *br)
{
    if (!br->detached) {
        VLOG_INFO("%s: detached", br->name);
        br->detached = true;
        if (br->state == BRIDGE_READY) {
            start_leaving(br);
        }
    }
}

void
bridge_attach(struct bridge *br)
{
    if (br->detached) {
        VLOG_INFO("%s: attached again", br->name);
        br->detached = br->clean = false;
        if (!br->link) {
            open_link(br);
        } else if (br->state == BRIDGE_LEAVING) {
            openflow_link_drop(br->link, "attached again");
        }
    }
}

bool
bridge_is_detached(const struct bridge *br)
{
    return br->detached;
}

bool
bridge_is_clean(const struct bridge *br)
{
    return br->clean;
}

static void
handle_connection_change(struct bridge *br)
{
    if (br->link_seqno != openflow_link_get_seqno(br->link)) {
        br->link_seqno = openflow_link_get_seqno(br->link);
        stop(br);
        if (openflow_link_is_connected(br->link)) {
            start_greeting(br);
        }
    }
    if (!openflow_link_is_connected(br->link)
        && openflow_link_get_error(br->link)) {
        set_error(br, openflow_link_get_error(br->link));
    }
}

void
bridge_take_link(struct bridge *br, struct openflow_link *link)
{
    ovs_assert(!br->target);
    if (br->clean) {
        VLOG_INFO_RL(&rl, "%s: connected, but it is detached: closing",
                     br->name);
        openflow_link_close(link);
        return;
    }
    if (br->link) {
        VLOG_WARN("%s: connected again, by %s: closing the connection by %s",
                  br->name, openflow_link_get_name(link),
                  openflow_link_get_name(br->link));
        stop(br);
        openflow_link_close(br->link);
    }
    br->link = link;
    br->link_seqno = openflow_link_get_seqno(link);
    if (openflow_link_is_connected(link)) {
        start_greeting(br);
    }
}

static void
handle_features(struct bridge *br, const struct ofp_header *oh)
{
    struct ofpbuf msg = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_switch_features features;

    if (br->state == BRIDGE_GREETING
        && !ofputil_pull_switch_features(&msg, &features)) {
        if (features.datapath_id == br->datapath_id) {
            br->features_ok = true;
        } else {
            char *reason = xasprintf("refused: its datapath id is %016" PRIx64
                                     ", not %016" PRIx64,
                                     features.datapath_id, br->datapath_id);
            openflow_link_drop(br->link, reason);
            free(reason);
        }
    }
}

/* Packet-ins, port changes and idle flows are wanted, nothing else. */
static void
send_async_config(struct bridge *br)
{
    struct ofputil_async_cfg config = ofputil_async_cfg_default(br->version);

    config.primary[OAM_FLOW_REMOVED] = 1u << OFPRR_IDLE_TIMEOUT;
    config.secondary[OAM_FLOW_REMOVED] = 0;
    send_msg(br, ofputil_encode_set_async_config(&config,
                                                 1u << OAM_PACKET_IN
                                                     | 1u << OAM_PORT_STATUS
                                                     | 1u << OAM_FLOW_REMOVED,
                                                 br->version));
}

static void
handle_config(struct bridge *br, const struct ofp_header *oh)
{
    struct ofputil_switch_config config;

    if (br->state != BRIDGE_GREETING || !br->features_ok) {
        return;
    }
    if (br->detached) {
        start_leaving(br);
        return;
    }
    /* How fragments are treated stays.  A miss_send_len of 0, the default of
     * a service connection, would keep all packets from us. */
    ofputil_decode_get_config_reply(oh, &config);
    config.miss_send_len = UINT16_MAX;
    config.invalid_ttl_to_controller = -1;
    send_msg(br, ofputil_encode_set_config(&config, br->version));
    send_async_config(br);
    send_msg(br,
             ofputil_encode_port_desc_stats_request(br->version, OFPP_ANY));
    send_meters(br, OFPMC13_ADD);

    br->state = BRIDGE_READY;
    br->waits_for_ports = true;
    br->ports_told = br->meters_refused = false;
    br->ports_deadline = time_msec() + PORTS_TIMEOUT;
}

static void
start_sync(struct bridge *br)
{
    if (br->waits_for_ports
        && (br->ports_told || time_msec() >= br->ports_deadline)) {
        br->waits_for_ports = false;
        bridge_sync_start(br->sync, br->link);
        if (br->meters_refused) {
            bridge_sync_forgo_meters(br->sync);
        }
    }
}

/* Ports. */

static void
handle_port_desc(struct bridge *br, const struct ofp_header *oh)
{
    struct ofpbuf msg = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_phy_port desc;

    ofpraw_pull_assert(&msg);
    while (!ofputil_pull_phy_port(oh->version, &msg, &desc)) {
        bridge_ports_update(&br->ports, &desc, false);
    }
    br->ports_told |= !ofpmp_more(oh);
}

static void
handle_port_status(struct bridge *br, const struct ofp_header *oh)
{
    struct ofputil_port_status status;

    if (!ofputil_decode_port_status(oh, &status)) {
        bridge_ports_update(&br->ports, &status.desc,
                            status.reason == OFPPR_DELETE);
    }
}

ofp_port_t
bridge_port_from_name(const struct bridge *br, const char *name)
{
    const struct bridge_port *port = bridge_ports_find_by_name(&br->ports,
                                                               name);
    return port ? port->number : OFPP_NONE;
}

const char *
bridge_port_to_name(const struct bridge *br, ofp_port_t number)
{
    const struct bridge_port *port = bridge_ports_find(&br->ports, number);
    return port ? port->name : NULL;
}

bool
bridge_port_is_up(const struct bridge *br, ofp_port_t number)
{
    const struct bridge_port *port = bridge_ports_find(&br->ports, number);
    return port && port->is_up;
}

unsigned int
bridge_get_port_seqno(const struct bridge *br)
{
    return br->ports.seqno;
}

/* Packets. */

static void
queue_packet(struct bridge *br, enum baton_flow_kind kind,
             const struct flow *flow, const void *data, size_t size)
{
    if (br->n_packets >= MAX_PACKETS) {
        br->n_dropped++;
        VLOG_WARN_RL(
            &rl, "%s: too many packets from the switch, %" PRIu64 " dropped",
            br->name, br->n_dropped);
        return;
    }

    struct queued_packet *qp = xmalloc(sizeof *qp);
    qp->packet.kind = kind;
    qp->packet.in_port = flow->in_port.ofp_port;
    qp->packet.tun_src = flow_tnl_src(&flow->tunnel);
    qp->packet.tun_key = ntohll(flow->tunnel.tun_id);
    qp->packet.data = xmemdup(data, size);
    qp->packet.size = size;
    ovs_list_push_back(&br->packets, &qp->list_node);
    br->n_packets++;
}

static void
handle_packet_in(struct bridge *br, const struct ofp_header *oh)
{
    struct ofputil_packet_in pin;
    size_t total_len;

    if (br->state != BRIDGE_READY
        || ofputil_decode_packet_in(oh, true, NULL, NULL, &pin, &total_len,
                                    NULL, NULL)) {
        return;
    }

    uint64_t cookie = ntohll(pin.cookie);
    if ((cookie & BATON_COOKIE_MASK) != BATON_COOKIE
        || pin.packet_len < total_len || !pin.packet_len) {
        return;
    }
    enum baton_flow_kind kind = cookie & 0xffff;
    br->n_violations += kind == BATON_FLOW_GUARD_VIOLATION;
    queue_packet(br, kind, &pin.flow_metadata.flow, pin.packet,
                 pin.packet_len);
}

bool
bridge_next_packet(struct bridge *br, struct bridge_packet *packet)
{
    if (ovs_list_is_empty(&br->packets)) {
        return false;
    }

    struct queued_packet *qp = CONTAINER_OF(ovs_list_pop_front(&br->packets),
                                            struct queued_packet, list_node);
    *packet = qp->packet;
    free(qp);
    br->n_packets--;
    return true;
}

static void
send_packet_out__(struct bridge *br, ofp_port_t in_port,
                  const struct ofpact *ofpacts, size_t ofpacts_len,
                  const void *data, size_t size)
{
    if (br->state != BRIDGE_READY || !size || size > MAX_FRAME
        || openflow_link_get_backlog(br->link) > MAX_BACKLOG) {
        return;
    }

    struct ofputil_packet_out po = {
        .packet = data,
        .packet_len = size,
        .buffer_id = UINT32_MAX,
        .ofpacts = CONST_CAST(struct ofpact *, ofpacts),
        .ofpacts_len = ofpacts_len,
    };
    match_init_catchall(&po.flow_metadata);
    match_set_in_port(&po.flow_metadata, in_port);
    send_msg(br, ofputil_encode_packet_out(
                     &po, ofputil_protocol_from_ofp_version(br->version)));
    openflow_link_flush(br->link);
}

static void
send_packet_out(struct bridge *br, ofp_port_t in_port, ofp_port_t out_port,
                const void *data, size_t size)
{
    struct ofpact_output output;

    ofpact_init_OUTPUT(&output);
    output.port = out_port;
    send_packet_out__(br, in_port, &output.ofpact, sizeof output, data, size);
}

void
bridge_send_to_port(struct bridge *br, ofp_port_t port, const void *data,
                    size_t size)
{
    send_packet_out(br, OFPP_CONTROLLER, port, data, size);
}

void
bridge_send_to_vlan(struct bridge *br, ofp_port_t port, uint16_t vlan,
                    const void *data, size_t size)
{
    uint64_t stub[128 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);

    if (vlan) {
        union mf_value value;

        memset(&value, 0, sizeof value);
        value.be16 = htons(vlan | VLAN_CFI);
        ofpact_put_PUSH_VLAN(&ofpacts)->ethertype = htons(ETH_TYPE_VLAN_8021Q);
        ofpact_put_set_field(&ofpacts, mf_from_id(MFF_VLAN_VID), &value, NULL);
    }
    ofpact_put_OUTPUT(&ofpacts)->port = port;
    send_packet_out__(br, OFPP_CONTROLLER, ofpacts.data, ofpacts.size, data,
                      size);
    ofpbuf_uninit(&ofpacts);
}

void
bridge_send_through(struct bridge *br, ofp_port_t in_port, const void *data,
                    size_t size)
{
    send_packet_out(br, in_port, OFPP_TABLE, data, size);
}

static void
send_to_table(struct bridge *br, enum baton_table table, ofp_port_t in_port,
              const void *data, size_t size)
{
    struct ofpact_resubmit resubmit;

    ofpact_init_RESUBMIT(&resubmit);
    resubmit.in_port = OFPP_IN_PORT;
    resubmit.table_id = br->layout.first_table + table;
    send_packet_out__(br, in_port, &resubmit.ofpact, sizeof resubmit, data,
                      size);
}

void
bridge_send_past_guard(struct bridge *br, ofp_port_t in_port, const void *data,
                       size_t size)
{
    send_to_table(br, BATON_TABLE_PROXY, in_port, data, size);
}

void
bridge_send_past_mapping(struct bridge *br, ofp_port_t in_port,
                         const void *data, size_t size)
{
    send_to_table(br, BATON_TABLE_REDIRECT, in_port, data, size);
}

void
bridge_send_forward(struct bridge *br, const void *data, size_t size)
{
    send_to_table(br, BATON_TABLE_FORWARD, OFPP_CONTROLLER, data, size);
}

void
bridge_send_tunnel(struct bridge *br, const struct in6_addr *peer,
                   uint32_t key, const void *data, size_t size)
{
    uint64_t stub[128 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    union mf_value value;

    if (!flow_layout_has_tunnel(&br->layout)) {
        return;
    }
    memset(&value, 0, sizeof value);
    if (IN6_IS_ADDR_V4MAPPED(peer)) {
        value.be32 = in6_addr_get_mapped_ipv4(peer);
        ofpact_put_set_field(&ofpacts, mf_from_id(MFF_TUN_DST), &value, NULL);
    } else {
        value.ipv6 = *peer;
        ofpact_put_set_field(&ofpacts, mf_from_id(MFF_TUN_IPV6_DST), &value,
                             NULL);
    }
    memset(&value, 0, sizeof value);
    value.be64 = htonll(key);
    ofpact_put_set_field(&ofpacts, mf_from_id(MFF_TUN_ID), &value, NULL);
    ofpact_put_OUTPUT(&ofpacts)->port = br->layout.tunnel_port;
    send_packet_out__(br, OFPP_CONTROLLER, ofpacts.data, ofpacts.size, data,
                      size);
    ofpbuf_uninit(&ofpacts);
}

void
bridge_set_tunnel_port(struct bridge *br, ofp_port_t port)
{
    br->layout.tunnel_port = port;
}

/* Messages. */

/* The switch has the meter already, or has no meters. */
static bool
handle_meter_error(struct bridge *br, const struct ofp_header *oh)
{
    for (size_t i = 0; i < ARRAY_SIZE(br->meter_xids); i++) {
        if (!br->meter_xids[i] || ntohl(oh->xid) != br->meter_xids[i]) {
            continue;
        }

        enum ofperr error = ofperr_decode_msg(oh, NULL);
        br->meter_xids[i] = 0;
        if (error == OFPERR_OFPMMFC_METER_EXISTS) {
            send_msg(br,
                     flow_message_meter(meter_id(br, i), br->layout.packet_ins,
                                        OFPMC13_MODIFY, br->version));
            openflow_link_flush(br->link);
        } else {
            VLOG_WARN("%s: no meters (%s): packets to the controller are not "
                      "limited",
                      br->name, ofperr_get_name(error));
            br->meters_refused = true;
            bridge_sync_forgo_meters(br->sync);
        }
        return true;
    }
    return false;
}

static void
handle_error(struct bridge *br, const struct ofp_header *oh)
{
    if (!handle_meter_error(br, oh)) {
        char *s = ofp_to_string(oh, ntohs(oh->length), NULL, NULL, 1);

        VLOG_WARN_RL(&rl, "%s: the switch says: %s", br->name, s);
        free(s);
    }
}

static void
handle_message(struct bridge *br, const struct ofp_header *oh)
{
    enum ofptype type;

    if (ofptype_decode(&type, oh) || bridge_sync_handle(br->sync, oh, type)) {
        return;
    } else if (br->state == BRIDGE_LEAVING) {
        if (type == OFPTYPE_BARRIER_REPLY
            && ntohl(oh->xid) == br->leaving_xid) {
            br->clean = true;
        }
    } else if (type == OFPTYPE_PACKET_IN) {
        handle_packet_in(br, oh);
    } else if (type == OFPTYPE_PORT_STATUS) {
        handle_port_status(br, oh);
    } else if (type == OFPTYPE_PORT_DESC_STATS_REPLY) {
        handle_port_desc(br, oh);
    } else if (type == OFPTYPE_FEATURES_REPLY) {
        handle_features(br, oh);
    } else if (type == OFPTYPE_GET_CONFIG_REPLY) {
        handle_config(br, oh);
    } else if (type == OFPTYPE_ERROR) {
        handle_error(br, oh);
    }
}

/* A meter that somebody deleted took its flows along, and must be there before
 * them. */
static void
restore_meters(struct bridge *br)
{
    if (br->n_repaired != bridge_sync_n_repaired(br->sync)) {
        br->n_repaired = bridge_sync_n_repaired(br->sync);
        if (br->state == BRIDGE_READY && !br->meters_refused) {
            send_meters(br, OFPMC13_ADD);
        }
    }
}

static void
run_link(struct bridge *br)
{
    openflow_link_run(br->link);
    handle_connection_change(br);
    start_sync(br);
    for (int i = 0; i < MAX_MESSAGES && !br->clean; i++) {
        struct ofpbuf *msg = openflow_link_recv(br->link);

        if (!msg) {
            break;
        }
        handle_message(br, msg->data);
        ofpbuf_delete(msg);
        handle_connection_change(br);
    }
    restore_meters(br);
    bridge_sync_run(br->sync);
    handle_connection_change(br);

    if (br->clean || !openflow_link_is_alive(br->link)) {
        close_link(br);
    }
}

void
bridge_run(struct bridge *br)
{
    if (br->link) {
        run_link(br);
    }
    if (br->synchronised != bridge_is_synchronised(br)) {
        br->synchronised = !br->synchronised;
        br->seqno++;
        VLOG_INFO("%s: %s", br->name,
                  br->synchronised ? "synchronised" : bridge_get_status(br));
    }
}

void
bridge_wait(struct bridge *br)
{
    if (br->link) {
        openflow_link_wait(br->link);
        bridge_sync_wait(br->sync);
        if (br->waits_for_ports) {
            poll_timer_wait_until(br->ports_told ? 0 : br->ports_deadline);
        }
    }
    if (br->n_packets
        || !flow_news_is_empty(
            bridge_get_news(CONST_CAST(struct bridge *, br)))) {
        poll_immediate_wake();
    }
}

/* Flows. */

void
bridge_set(struct bridge *br, const struct uuid *key, struct flow_set *flows)
{
    bridge_sync_set(br->sync, key, flows);
}

uint64_t
bridge_flush(struct bridge *br)
{
    return bridge_sync_flush(br->sync);
}

uint64_t
bridge_acked(const struct bridge *br)
{
    return bridge_sync_acked(br->sync);
}

struct flow_news *
bridge_get_news(struct bridge *br)
{
    return bridge_sync_news(br->sync);
}

uint32_t
bridge_ask_counters(struct bridge *br, const struct flow_mapping *mapping)
{
    return bridge_sync_ask_counters(br->sync, mapping);
}

void
bridge_get_stats(const struct bridge *br, struct bridge_stats *stats)
{
    stats->n_flows = bridge_sync_n_flows(br->sync);
    stats->n_flow_mods = bridge_sync_n_flow_mods(br->sync);
    stats->n_violations = br->n_violations;
    stats->n_repaired = bridge_sync_n_repaired(br->sync);
}
