/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "sock-diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "netlink-socket.h"
#include "netlink.h"
#include "openvswitch/ofpbuf.h"

int
sock_diag_ask(int family, uint8_t protocol, const struct inet_diag_sockid *id,
              struct inet_diag_msg *msg)
{
    struct inet_diag_req_v2 *req;
    struct ofpbuf request, *reply;
    int error;

    ofpbuf_init(&request, 0);
    nl_msg_put_nlmsghdr(&request, sizeof *req, SOCK_DIAG_BY_FAMILY,
                        NLM_F_REQUEST);
    req = ofpbuf_put_zeros(&request, sizeof *req);
    req->sdiag_family = family;
    req->sdiag_protocol = protocol;
    req->idiag_states = UINT32_MAX;
    req->id = *id;
    error = nl_transact(NETLINK_SOCK_DIAG, &request, &reply);
    ofpbuf_uninit(&request);
    if (error) {
        return error;
    }
    if (reply->size >= NLMSG_HDRLEN + sizeof *msg) {
        memcpy(msg, ofpbuf_at_assert(reply, NLMSG_HDRLEN, sizeof *msg),
               sizeof *msg);
    } else {
        error = EPROTO;
    }
    ofpbuf_delete(reply);
    return error;
}

bool
sock_diag_find(int family, uint8_t protocol, const struct inet_diag_sockid *id,
               struct inet_diag_msg *msg)
{
    return !sock_diag_ask(family, protocol, id, msg);
}
