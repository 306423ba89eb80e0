/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "policy-parse.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "policy.h"
#include "util.h"
#include "yaml-reader.h"

bool
policy_parse_name(struct policy_parser *p, const struct yaml_item *item,
                  const char *what, const char *name)
{
    if (policy_name_is_valid(name)) {
        return true;
    }
    yaml_reader_fail(p->reader, item,
                     "%s \"%s\" is not a name; expected 1 to 63 of "
                     "A-Z a-z 0-9 . _ - that begin with neither . nor -",
                     what, name);
    return false;
}

/* Stores a copy of a string in '*valuep', unless 'item' is null. */
bool
policy_parse_string(struct policy_parser *p, const struct yaml_item *item,
                    const char *what, char **valuep)
{
    const char *s = NULL;

    if (!yaml_reader_get_string(p->reader, item, what, &s)) {
        return false;
    }
    if (s && !s[0]) {
        yaml_reader_fail(p->reader, item, "%s is empty; expected text", what);
        return false;
    }
    *valuep = nullable_xstrdup(s);
    return true;
}

/* Reads a string that begins with one of 'kinds', for OVS's streams. */
bool
policy_parse_target(struct policy_parser *p, const struct yaml_item *item,
                    const char *what, const char *const kinds[],
                    const char *expected, const char **valuep)
{
    const char *s = NULL;

    if (!yaml_reader_get_string(p->reader, item, what, &s)) {
        return false;
    }
    for (; *kinds; kinds++) {
        size_t n = strlen(*kinds);
        if (!strncmp(s, *kinds, n) && s[n]) {
            *valuep = s;
            return true;
        }
    }
    yaml_reader_fail(p->reader, item,
                     "%s \"%s\" is not a connection of a "
                     "kind that is taken here; expected %s",
                     what, s, expected);
    return false;
}

/* An address, IPv4 as IPv4-mapped. */
bool
policy_parse_address(struct policy_parser *p, const struct yaml_item *item,
                     const char *what, struct in6_addr *address)
{
    const char *s = NULL;
    ovs_be32 ip;

    if (!item || !yaml_reader_get_string(p->reader, item, what, &s)) {
        return false;
    }
    if (ip_parse(s, &ip)) {
        in6_addr_set_mapped_ipv4(address, ip);
    } else if (!ipv6_parse(s, address)) {
        yaml_reader_fail(p->reader, item,
                         "%s \"%s\" is not one; "
                         "expected an IPv4 or IPv6 address",
                         what, s);
        return false;
    }
    return true;
}

/* Parses IP/LENGTH.  Returns null, or what is wrong. */
static const char *
parse_prefix(const char *s, struct policy_prefix *prefix)
{
    char ip[INET6_ADDRSTRLEN];
    const char *slash = strchr(s, '/');

    if (!slash || slash - s >= sizeof ip) {
        return "is not an address, a slash and a length";
    }
    memcpy(ip, s, slash - s);
    ip[slash - s] = '\0';

    ovs_be32 ip4;
    unsigned int bits;
    bool v4 = inet_pton(AF_INET, ip, &ip4) == 1;
    if (v4) {
        in6_addr_set_mapped_ipv4(&prefix->addr, ip4);
        bits = 32;
    } else if (inet_pton(AF_INET6, ip, &prefix->addr) == 1) {
        if (IN6_IS_ADDR_V4MAPPED(&prefix->addr)) {
            return "is an IPv4-mapped IPv6 address";
        }
        bits = 128;
    } else {
        return "does not begin with an IPv4 or IPv6 address";
    }

    int plen = -1;
    if (!slash[1] || strspn(slash + 1, "0123456789") != strlen(slash + 1)
        || strlen(slash + 1) > 3 || !str_to_int(slash + 1, 10, &plen)
        || plen > bits) {
        return v4 ? "has a length that is not from 0 to 32"
                  : "has a length that is not from 0 to 128";
    }
    prefix->plen = v4 ? plen + 96 : plen;
    if (plen < 8) {
        return "is too wide: its length is less than 8";
    }
    if (!policy_prefix_contains(prefix, &prefix->addr)) {
        return "has bits set beyond its length";
    }
    if (v4 ? (ntohl(ip4) >> 24 == 0 || ntohl(ip4) >> 24 == 127
              || ntohl(ip4) >> 24 >= 224)
           : (ipv6_addr_is_multicast(&prefix->addr)
              || in6_is_lla(&prefix->addr) || prefix->addr.s6_addr[0] == 0)) {
        return "is not of unicast addresses that can be routed";
    }
    return NULL;
}

bool
policy_parse_prefix(struct policy_parser *p, const struct yaml_item *item,
                    const char *what, struct policy_prefix *prefix)
{
    const char *s = NULL;

    if (!yaml_reader_get_string(p->reader, item, what, &s)) {
        return false;
    }
    const char *wrong = parse_prefix(s, prefix);
    if (wrong) {
        yaml_reader_fail(p->reader, item,
                         "%s \"%s\" %s; expected a prefix "
                         "like 10.1.0.0/24 or fd00:1::/64",
                         what, s, wrong);
    }
    return !wrong;
}

/* Reads the name of a thing that 'things' has to hold.  Returns the thing. */
void *
policy_parse_reference(struct policy_parser *p, const struct yaml_item *item,
                       const char *what, const char *section,
                       const struct shash *things)
{
    const char *s = NULL;

    if (!yaml_reader_get_string(p->reader, item, what, &s)) {
        return NULL;
    }
    void *thing = shash_find_data(things, s);
    if (!thing) {
        yaml_reader_fail(p->reader, item,
                         "no %s is named \"%s\"; expected a name from "
                         "\"%s\"",
                         what, s, section);
    }
    return thing;
}

/* Reads "*", the name of a device, or "@" and that of a group. */
bool
policy_parse_who(struct policy_parser *p, const struct yaml_item *item,
                 const char *what, const char **valuep)
{
    const char *s = NULL;

    if (!yaml_reader_get_string(p->reader, item, what, &s)) {
        return false;
    }
    if (s[0] == '@'
            ? sset_contains(&p->groups, s + 1)
            : (!strcmp(s, "*") || shash_find(&p->policy->devices, s))) {
        *valuep = s;
        return true;
    }
    if (s[0] == '@') {
        yaml_reader_fail(p->reader, item,
                         "no device is in group \"%s\"; "
                         "expected a group that a device names in \"groups\"",
                         s + 1);
    } else {
        yaml_reader_fail(p->reader, item,
                         "no device is named \"%s\"; "
                         "expected a name from \"devices\", \"@GROUP\" or "
                         "\"*\"",
                         s);
    }
    return false;
}
