/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "lan-interface.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dad.h"
#include "packets.h"
#include "socket-util.h"
#include "util.h"

static bool
is_in(const struct dad_prefix *prefixes, size_t n,
      const struct in6_addr *address)
{
    for (size_t i = 0; i < n; i++) {
        struct in6_addr mask = ipv6_create_mask(prefixes[i].plen);
        struct in6_addr masked = ipv6_addr_bitand(address, &mask);

        if (ipv6_addr_equals(&masked, &prefixes[i].addr)) {
            return true;
        }
    }
    return false;
}

static bool
is_among(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(names[i], name)) {
            return true;
        }
    }
    return !n;
}

static bool
get_address(const struct sockaddr *sa, struct in6_addr *address)
{
    if (sa && sa->sa_family == AF_INET) {
        in6_addr_set_mapped_ipv4(
            address,
            ALIGNED_CAST(const struct sockaddr_in *, sa)->sin_addr.s_addr);
        return true;
    }
    if (sa && sa->sa_family == AF_INET6) {
        *address = ALIGNED_CAST(const struct sockaddr_in6 *, sa)->sin6_addr;
        return true;
    }
    return false;
}

static bool
get_mac(const char *ifname, struct eth_addr *mac)
{
    struct ifreq ifr;

    if (af_inet_ifreq_ioctl(ifname, &ifr, SIOCGIFHWADDR, "SIOCGIFHWADDR")
        || ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
        return false;
    }
    memcpy(mac, ifr.ifr_hwaddr.sa_data, sizeof *mac);
    return true;
}

bool
lan_interface_find(const struct json *subnets, const char *const *ifnames,
                   size_t n_ifnames, char ifname[16], struct eth_addr *mac)
{
    struct ifaddrs *all = NULL;
    struct dad_prefix *prefixes;
    bool found = false;
    size_t n;

    prefixes = dad_prefixes_from_json(subnets, &n);
    if (getifaddrs(&all)) {
        all = NULL;
    }
    for (const struct ifaddrs *p = all; p && !found; p = p->ifa_next) {
        struct in6_addr address;

        found = ((p->ifa_flags & IFF_UP) && !(p->ifa_flags & IFF_LOOPBACK)
                 && is_among(ifnames, n_ifnames, p->ifa_name)
                 && get_address(p->ifa_addr, &address)
                 && is_in(prefixes, n, &address) && get_mac(p->ifa_name, mac));
        if (found) {
            ovs_strlcpy(ifname, p->ifa_name, IF_NAMESIZE);
        }
    }
    freeifaddrs(all);
    free(prefixes);
    return found;
}
