/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-batches.h"

#include "flow-ledger.h"
#include "flow-message.h"
#include "openflow-link.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(flow_batches);

/* Sent with a barrier that is not answered yet. */
struct batch {
    struct ovs_list list_node; /* In 'batches'. */
    uint32_t open_xid;         /* Of the bundle's opening; 0: no bundle. */
    uint32_t barrier_xid;
    uint32_t first_xid, last_xid; /* Of flow-mods. */
    size_t n_mods;
    uint64_t seqno;     /* Acknowledged by the barrier; 0: none. */
    long long int sent; /* time_msec(). */
    bool failed;
};

void
flow_batches_init(struct flow_batches *b, const char *name, uint64_t cookie,
                  uint64_t cookie_mask)
{
    *b = (struct flow_batches){
        .name = name,
        .cookie = cookie,
        .cookie_mask = cookie_mask,
    };
    ovs_list_init(&b->batches);
}

void
flow_batches_start(struct flow_batches *b, struct openflow_link *link)
{
    flow_batches_drop(b);
    b->link = link;
    b->version = openflow_link_get_version(link);
    b->use_bundles = true;
    b->n_flow_mods = 0;
}

void
flow_batches_drop(struct flow_batches *b)
{
    struct batch *batch;

    LIST_FOR_EACH_POP(batch, list_node, &b->batches) {
        free(batch);
    }
    b->n_outstanding = 0;
}

/* Sending. */

static uint32_t
msg_xid(const struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    return ntohl(oh->xid);
}

static uint32_t
send_msg(struct flow_batches *b, struct ofpbuf *msg)
{
    uint32_t xid = msg_xid(msg);

    openflow_link_send(b->link, msg);
    return xid;
}

/* Sends what makes the switch agree with 'entry', which is in no list. */
static uint32_t
send_flow_mod(struct flow_batches *b, struct flow_ledger *ledger,
              struct ledger_entry *entry, bool use_meters, uint32_t bundle_id)
{
    struct flow_form_view view;
    const struct baton_flow *flow = flow_ledger_look(entry, &view);
    struct ofpbuf *msg;

    if (entry->n_refs) {
        msg = flow_message_add(flow, use_meters, b->version);
        entry->xid = msg_xid(msg);
    } else {
        msg = flow_message_delete(flow, b->cookie, b->cookie_mask, b->version);
        flow_ledger_forget(ledger, entry);
    }
    if (b->use_bundles) {
        msg = flow_message_bundle_add(bundle_id, msg, b->version);
    }
    b->n_flow_mods++;
    return send_msg(b, msg);
}

void
flow_batches_send(struct flow_batches *b, struct flow_ledger *ledger,
                  struct ovs_list *backlog, bool use_meters, uint64_t seqno)
{
    struct batch *batch = xzalloc(sizeof *batch);
    uint32_t bundle_id = b->next_bundle_id++;

    if (b->use_bundles) {
        batch->open_xid = send_msg(
            b, flow_message_bundle_ctrl(bundle_id, OFPBCT_OPEN_REQUEST,
                                        b->version));
    }
    while (batch->n_mods < FLOW_BATCH_MAX && !ovs_list_is_empty(backlog)) {
        batch->last_xid = send_flow_mod(b, ledger, flow_ledger_pop(backlog),
                                        use_meters, bundle_id);
        if (!batch->n_mods++) {
            batch->first_xid = batch->last_xid;
        }
    }
    if (b->use_bundles) {
        send_msg(b, flow_message_bundle_ctrl(bundle_id, OFPBCT_COMMIT_REQUEST,
                                             b->version));
    }
    batch->barrier_xid = send_msg(b,
                                  ofputil_encode_barrier_request(b->version));
    batch->seqno = ovs_list_is_empty(backlog) ? seqno : 0;
    batch->sent = time_msec();
    ovs_list_push_back(&b->batches, &batch->list_node);
    b->n_outstanding += batch->n_mods;
    openflow_link_flush(b->link);
}

void
flow_batches_promise(struct flow_batches *b, uint64_t seqno)
{
    CONTAINER_OF(ovs_list_back(&b->batches), struct batch, list_node)
        ->seqno = seqno;
}

/* Looking. */

bool
flow_batches_is_empty(const struct flow_batches *b)
{
    return ovs_list_is_empty(&b->batches);
}

bool
flow_batches_have_room(const struct flow_batches *b)
{
    return b->n_outstanding < FLOW_BATCH_MAX;
}

long long int
flow_batches_oldest(const struct flow_batches *b)
{
    return (flow_batches_is_empty(b)
                ? LLONG_MAX
                : CONTAINER_OF(ovs_list_front(&b->batches), struct batch,
                               list_node)
                      ->sent);
}

/* Answers. */

bool
flow_batches_handle_barrier(struct flow_batches *b, uint32_t xid,
                            struct flow_batch_answer *answer)
{
    struct batch *batch;

    LIST_FOR_EACH(batch, list_node, &b->batches) {
        if (batch->barrier_xid == xid) {
            answer->seqno = batch->seqno;
            answer->failed = batch->failed;
            answer->bundled = batch->open_xid;
            b->n_outstanding -= batch->n_mods;
            ovs_list_remove(&batch->list_node);
            free(batch);
            return true;
        }
    }
    return false;
}

bool
flow_batches_handle_error(struct flow_batches *b, const struct ofp_header *oh,
                          uint32_t *refused)
{
    uint32_t xid = ntohl(oh->xid);
    struct batch *batch;

    *refused = 0;
    LIST_FOR_EACH(batch, list_node, &b->batches) {
        if (xid < (batch->open_xid ? batch->open_xid : batch->first_xid)
            || xid > batch->barrier_xid) {
            continue;
        }
        batch->failed = true;
        if (xid == batch->open_xid) {
            VLOG_INFO("%s: no bundles (%s), sending flow-mods singly", b->name,
                      ofperr_get_name(ofperr_decode_msg(oh, NULL)));
            b->use_bundles = false;
        } else if (b->use_bundles == !!batch->open_xid
                   && xid >= batch->first_xid && xid <= batch->last_xid) {
            *refused = xid;
        }
        return true;
    }
    return false;
}
