/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tunnel-filter.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink-socket.h"
#include "netlink.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "svec.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(tunnel_filter);

/* Before what the host's own rules say. */
#define PRIORITY (-290)

/* In the UDP header, from its start: where the packet goes, and behind the
 * header VXLAN's flags and network identifier (RFC 7348, section 5). */
#define UDP_DST_OFS 2
#define VNI_OFS (8 + 4)
#define VNI_LEN 3

/* Messages.  The kernel takes all between BATCH_BEGIN and BATCH_END, or
 * nothing; only the last one before the end asks for an answer, beside which
 * each that fails has its own. */

static size_t
message_begin(struct ofpbuf *batch, uint16_t type, uint16_t flags,
              uint8_t family, uint16_t res_id)
{
    size_t ofs = batch->size;
    struct nlmsghdr *hdr = ofpbuf_put_zeros(batch, sizeof *hdr);
    struct nfgenmsg *nfgen;

    hdr->nlmsg_type = type;
    hdr->nlmsg_flags = NLM_F_REQUEST | flags;
    nfgen = ofpbuf_put_zeros(batch, sizeof *nfgen);
    nfgen->nfgen_family = family;
    nfgen->version = NFNETLINK_V0;
    nfgen->res_id = htons(res_id);
    return ofs;
}

static void
message_end(struct ofpbuf *batch, size_t ofs)
{
    struct nlmsghdr *hdr = ofpbuf_at_assert(batch, ofs, sizeof *hdr);

    hdr->nlmsg_len = batch->size - ofs;
}

static void
put_mark(struct ofpbuf *batch, uint16_t type)
{
    message_end(
        batch, message_begin(batch, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

static size_t
nft_begin(struct ofpbuf *batch, uint16_t type, uint16_t flags)
{
    return message_begin(batch, NFNL_SUBSYS_NFTABLES << 8 | type, flags,
                         NFPROTO_INET, 0);
}

static void
put_table(struct ofpbuf *batch, uint16_t type, uint16_t flags,
          const char *name)
{
    size_t ofs = nft_begin(batch, type, flags);

    nl_msg_put_string(batch, NFTA_TABLE_NAME, name);
    message_end(batch, ofs);
}

static void
put_chain(struct ofpbuf *batch, const char *table, const char *name,
          uint32_t hooknum)
{
    size_t ofs = nft_begin(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    size_t hook;

    nl_msg_put_string(batch, NFTA_CHAIN_TABLE, table);
    nl_msg_put_string(batch, NFTA_CHAIN_NAME, name);
    hook = nl_msg_start_nested(batch, NFTA_CHAIN_HOOK | NLA_F_NESTED);
    nl_msg_put_be32(batch, NFTA_HOOK_HOOKNUM, htonl(hooknum));
    nl_msg_put_be32(batch, NFTA_HOOK_PRIORITY, htonl(PRIORITY));
    nl_msg_end_nested(batch, hook);
    nl_msg_put_string(batch, NFTA_CHAIN_TYPE, "filter");
    message_end(batch, ofs);
}

/* Expressions: a rule is a row of them, and ends where one does not hold. */

struct expression {
    size_t element, data; /* Where its attributes begin. */
};

static struct expression
expression_begin(struct ofpbuf *batch, const char *name)
{
    struct expression e;

    e.element = nl_msg_start_nested(batch, NFTA_LIST_ELEM | NLA_F_NESTED);
    nl_msg_put_string(batch, NFTA_EXPR_NAME, name);
    e.data = nl_msg_start_nested(batch, NFTA_EXPR_DATA | NLA_F_NESTED);
    return e;
}

static void
expression_end(struct ofpbuf *batch, struct expression e)
{
    nl_msg_end_nested(batch, e.data);
    nl_msg_end_nested(batch, e.element);
}

static void
put_value(struct ofpbuf *batch, uint16_t type, const void *value, size_t n)
{
    size_t ofs = nl_msg_start_nested(batch, type | NLA_F_NESTED);

    nl_msg_put_unspec(batch, NFTA_DATA_VALUE, value, n);
    nl_msg_end_nested(batch, ofs);
}

static void
put_compare(struct ofpbuf *batch, enum nft_cmp_ops op, const void *value,
            size_t n)
{
    struct expression e = expression_begin(batch, "cmp");

    nl_msg_put_be32(batch, NFTA_CMP_SREG, htonl(NFT_REG_1));
    nl_msg_put_be32(batch, NFTA_CMP_OP, htonl(op));
    put_value(batch, NFTA_CMP_DATA, value, n);
    expression_end(batch, e);
}

static void
put_meta(struct ofpbuf *batch, enum nft_meta_keys key, const void *value,
         size_t n)
{
    struct expression e = expression_begin(batch, "meta");

    nl_msg_put_be32(batch, NFTA_META_KEY, htonl(key));
    nl_msg_put_be32(batch, NFTA_META_DREG, htonl(NFT_REG_1));
    expression_end(batch, e);
    put_compare(batch, NFT_CMP_EQ, value, n);
}

static void
put_load(struct ofpbuf *batch, enum nft_payload_bases base, size_t ofs,
         size_t n)
{
    struct expression e = expression_begin(batch, "payload");

    nl_msg_put_be32(batch, NFTA_PAYLOAD_DREG, htonl(NFT_REG_1));
    nl_msg_put_be32(batch, NFTA_PAYLOAD_BASE, htonl(base));
    nl_msg_put_be32(batch, NFTA_PAYLOAD_OFFSET, htonl(ofs));
    nl_msg_put_be32(batch, NFTA_PAYLOAD_LEN, htonl(n));
    expression_end(batch, e);
}

static void
put_mask(struct ofpbuf *batch, const void *mask, size_t n)
{
    static const uint8_t zeros[16];
    struct expression e = expression_begin(batch, "bitwise");

    nl_msg_put_be32(batch, NFTA_BITWISE_SREG, htonl(NFT_REG_1));
    nl_msg_put_be32(batch, NFTA_BITWISE_DREG, htonl(NFT_REG_1));
    nl_msg_put_be32(batch, NFTA_BITWISE_LEN, htonl(n));
    put_value(batch, NFTA_BITWISE_MASK, mask, n);
    put_value(batch, NFTA_BITWISE_XOR, zeros, n);
    expression_end(batch, e);
}

static void
put_counter(struct ofpbuf *batch)
{
    expression_end(batch, expression_begin(batch, "counter"));
}

static void
put_verdict(struct ofpbuf *batch, uint32_t verdict)
{
    struct expression e = expression_begin(batch, "immediate");
    size_t data, inner;

    nl_msg_put_be32(batch, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT));
    data = nl_msg_start_nested(batch, NFTA_IMMEDIATE_DATA | NLA_F_NESTED);
    inner = nl_msg_start_nested(batch, NFTA_DATA_VERDICT | NLA_F_NESTED);
    nl_msg_put_be32(batch, NFTA_VERDICT_CODE, htonl(verdict));
    nl_msg_end_nested(batch, inner);
    nl_msg_end_nested(batch, data);
    expression_end(batch, e);
}

/* Rules. */

struct rule {
    size_t ofs, expressions;
};

static struct rule
rule_begin(struct ofpbuf *batch, const char *table, const char *chain,
           uint16_t flags)
{
    struct rule rule;

    rule.ofs = nft_begin(batch, NFT_MSG_NEWRULE,
                         NLM_F_CREATE | NLM_F_APPEND | flags);
    nl_msg_put_string(batch, NFTA_RULE_TABLE, table);
    nl_msg_put_string(batch, NFTA_RULE_CHAIN, chain);
    rule.expressions = nl_msg_start_nested(batch, NFTA_RULE_EXPRESSIONS
                                                      | NLA_F_NESTED);
    return rule;
}

static void
rule_end(struct ofpbuf *batch, struct rule rule)
{
    nl_msg_end_nested(batch, rule.expressions);
    message_end(batch, rule.ofs);
}

static void
put_family(struct ofpbuf *batch, const struct in6_addr *addr)
{
    uint8_t family = IN6_IS_ADDR_V4MAPPED(addr) ? NFPROTO_IPV4 : NFPROTO_IPV6;

    put_meta(batch, NFT_META_NFPROTO, &family, sizeof family);
}

/* The address as it is in a packet. */
static const uint8_t *
in_packet(const struct in6_addr *addr, size_t *n)
{
    bool ip4 = IN6_IS_ADDR_V4MAPPED(addr);

    *n = ip4 ? 4 : 16;
    return &addr->s6_addr[ip4 ? 12 : 0];
}

static void
put_outer_rule(struct ofpbuf *batch, const struct tunnel_filter *filter)
{
    struct rule rule = rule_begin(batch, filter->ifname, "outer", 0);
    ovs_be16 port = htons(filter->udp_port);
    ovs_be32 vni = htonl(filter->key << 8);
    uint8_t protocol = IPPROTO_UDP;
    const uint8_t *peer;
    size_t n;

    peer = in_packet(&filter->peer, &n);
    put_family(batch, &filter->peer);
    put_meta(batch, NFT_META_L4PROTO, &protocol, sizeof protocol);
    put_load(batch, NFT_PAYLOAD_TRANSPORT_HEADER, UDP_DST_OFS, sizeof port);
    put_compare(batch, NFT_CMP_EQ, &port, sizeof port);
    put_load(batch, NFT_PAYLOAD_TRANSPORT_HEADER, VNI_OFS, VNI_LEN);
    put_compare(batch, NFT_CMP_EQ, &vni, VNI_LEN);
    put_load(batch, NFT_PAYLOAD_NETWORK_HEADER, n == 4 ? 12 : 8, n);
    put_compare(batch, NFT_CMP_NEQ, peer, n);
    put_counter(batch);
    put_verdict(batch, NF_DROP);
    rule_end(batch, rule);
}

static void
put_ifname(struct ofpbuf *batch, const char *ifname)
{
    char name[IFNAMSIZ] = "";

    ovs_strlcpy(name, ifname, sizeof name);
    put_meta(batch, NFT_META_IIFNAME, name, sizeof name);
}

static void
put_inner_rules(struct ofpbuf *batch, const struct tunnel_filter *filter)
{
    struct rule rule;

    for (size_t i = 0; i < filter->n_inside; i++) {
        const struct tunnel_prefix *inside = &filter->inside[i];
        struct in6_addr mask = ipv6_create_mask(inside->plen);
        const uint8_t *prefix;
        size_t n;

        prefix = in_packet(&inside->addr, &n);
        rule = rule_begin(batch, filter->ifname, "inner", 0);
        put_ifname(batch, filter->ifname);
        put_family(batch, &inside->addr);
        put_load(batch, NFT_PAYLOAD_NETWORK_HEADER, n == 4 ? 16 : 24, n);
        put_mask(batch, &mask.s6_addr[16 - n], n);
        put_compare(batch, NFT_CMP_EQ, prefix, n);
        put_verdict(batch, NF_ACCEPT);
        rule_end(batch, rule);
    }
    rule = rule_begin(batch, filter->ifname, "inner", NLM_F_ACK);
    put_ifname(batch, filter->ifname);
    put_counter(batch);
    put_verdict(batch, NF_DROP);
    rule_end(batch, rule);
}

/* Sends 'batch', and reads the kernel's answer, which is there when send()
 * returns. */
static int
transact(const struct ofpbuf *batch)
{
    const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    uint32_t buf[2048];
    int error = 0;
    ssize_t n;
    int fd;

    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0) {
        return errno;
    }
    if (sendto(fd, batch->data, batch->size, 0, (const void *) &kernel,
               sizeof kernel)
        < 0) {
        error = errno;
    }
    while (!error && (n = recv(fd, buf, sizeof buf, MSG_DONTWAIT)) > 0) {
        const struct nlmsghdr *hdr = (const struct nlmsghdr *) buf;

        for (; NLMSG_OK(hdr, n) && !error; hdr = NLMSG_NEXT(hdr, n)) {
            const struct nlmsgerr *err = NLMSG_DATA(hdr);

            if (hdr->nlmsg_type == NLMSG_ERROR
                && hdr->nlmsg_len >= NLMSG_LENGTH(sizeof *err)) {
                error = -err->error;
            }
        }
    }
    close(fd);
    return error;
}

int
tunnel_filter_set(const struct tunnel_filter *filter)
{
    struct ofpbuf batch;
    int error;

    ofpbuf_init(&batch, 4096);
    put_mark(&batch, NFNL_MSG_BATCH_BEGIN);
    /* So that there is one to delete. */
    put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, filter->ifname);
    put_table(&batch, NFT_MSG_DELTABLE, 0, filter->ifname);
    put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, filter->ifname);
    put_chain(&batch, filter->ifname, "outer", NF_INET_LOCAL_IN);
    put_chain(&batch, filter->ifname, "inner", NF_INET_PRE_ROUTING);
    put_outer_rule(&batch, filter);
    put_inner_rules(&batch, filter);
    put_mark(&batch, NFNL_MSG_BATCH_END);
    error = transact(&batch);
    ofpbuf_uninit(&batch);
    return error;
}

void
tunnel_filter_del(const char *ifname)
{
    struct ofpbuf batch;
    int error;

    ofpbuf_init(&batch, 256);
    put_mark(&batch, NFNL_MSG_BATCH_BEGIN);
    put_table(&batch, NFT_MSG_DELTABLE, NLM_F_ACK, ifname);
    put_mark(&batch, NFNL_MSG_BATCH_END);
    error = transact(&batch);
    ofpbuf_uninit(&batch);
    if (error && error != ENOENT) {
        VLOG_WARN("nftables table %s cannot be deleted (%s)", ifname,
                  ovs_strerror(error));
    }
}

void
tunnel_filters_sweep(const char *prefix)
{
    uint64_t stub[NL_DUMP_BUFSIZE / 8];
    struct ofpbuf request, reply, buf;
    struct svec names = SVEC_EMPTY_INITIALIZER;
    struct nl_dump dump;
    const char *name;
    size_t i;

    ofpbuf_init(&request, 64);
    message_end(&request, nft_begin(&request, NFT_MSG_GETTABLE, 0));
    nl_dump_start(&dump, NETLINK_NETFILTER, &request);
    ofpbuf_uninit(&request);
    ofpbuf_use_stub(&buf, stub, sizeof stub);
    while (nl_dump_next(&dump, &reply, &buf)) {
        const struct nlattr *attr = NULL;

        if (reply.size > NLMSG_HDRLEN + sizeof(struct nfgenmsg)) {
            attr = nl_attr_find(&reply, NLMSG_HDRLEN + sizeof(struct nfgenmsg),
                                NFTA_TABLE_NAME);
        }
        if (attr && nl_attr_get_size(attr)
            && !strncmp(nl_attr_get_string(attr), prefix, strlen(prefix))) {
            svec_add(&names, nl_attr_get_string(attr));
        }
    }
    ofpbuf_uninit(&buf);
    nl_dump_done(&dump); /* Without nftables there are none. */
    SVEC_FOR_EACH(i, name, &names) {
        if (!if_nametoindex(name)) {
            tunnel_filter_del(name);
        }
    }
    svec_destroy(&names);
}
