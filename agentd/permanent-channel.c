/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "permanent-private.h"

#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "agent.h"
#include "controller-link.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "peer-link.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(permanent_channel);

/* The agent's own channel: by which address controller and peers reach it. */

/* Where we listen for peers with 'address' in the place of 'p's own; NULL: we
 * do not listen at that. */
char *
permanent_listen_at(const struct agent *agent, const struct permanent *p,
                    const struct in6_addr *address)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&p->r.own.address);
    char own[INET6_ADDRSTRLEN], new[INET6_ADDRSTRLEN];
    const char *listen = agent->permanents->listen;
    char *host, *result = NULL;
    size_t port = strcspn(listen, ":") + 1;

    port += strcspn(listen + port, ":");
    ipv6_string_mapped(own, &p->r.own.address);
    ipv6_string_mapped(new, address);
    host = xasprintf(v4 ? ":%s" : ":[%s]", own);
    if (!strcmp(listen + port, host)) {
        result = xasprintf(v4 ? "%.*s:%s" : "%.*s:[%s]", (int) port, listen,
                           new);
    }
    free(host);
    return result;
}

/* Does the channel to the controller go by this address? */
bool
permanent_is_channel(const struct agent *agent, const struct permanent *p)
{
    const char *target = controller_link_get_target(agent->controller);
    struct in6_addr controller;
    struct address_route route;
    char *host = xstrdup(strchr(target, ':') ? strchr(target, ':') + 1 : "");
    bool v4 = host[0] != '[';
    ovs_be32 ip;
    bool known;

    host[strcspn(host, v4 ? ":" : "]")] = '\0';
    if (v4) {
        known = ip_parse(host, &ip);
        in6_addr_set_mapped_ipv4(&controller, ip);
    } else {
        known = ipv6_parse(host + 1, &controller);
    }
    free(host);
    return known && v4 == IN6_IS_ADDR_V4MAPPED(&p->r.own.address)
           && !address_route(&controller, &route)
           && !strcmp(route.ifname, p->r.own.ifname);
}

/* Goes on by 'address', which is the temporary one, or 'p's own again. */
void
permanent_move_channel(struct agent *agent, struct permanent *p,
                       const struct in6_addr *address)
{
    char *listen = permanent_listen_at(agent, p, address);
    char *endpoint;

    if (listen && peers_listen(agent->peers, listen)) {
        VLOG_WARN("%s: other devices cannot connect to this one", listen);
    }
    free(listen);
    peers_drop_all(agent->peers, "this device uses another address");
    endpoint = peers_get_endpoint(agent->peers);
    controller_link_move(agent->controller, endpoint);
    free(endpoint);
}

char *
permanents_get_listen(const struct agent *agent)
{
    struct permanent *p;

    LIST_FOR_EACH(p, node, &agent->permanents->own) {
        char *listen = p->r.channel
                           ? permanent_listen_at(agent, p, &p->r.temporary)
                           : NULL;

        if (listen) {
            return listen;
        }
    }
    return xstrdup(agent->permanents->listen);
}
