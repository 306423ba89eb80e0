/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_POLICY_PARSE_H
#define BATON_POLICY_PARSE_H 1

/* From the items of a YAML file to a policy.  Only policy_load() calls
 * policy_parse(); the rest is for the files policy-parse*.c among themselves:
 *
 *     policy-parse.c           the file as a whole, small sections
 *     policy-parse-network.c   bridges and pools
 *     policy-parse-lan.c       plain LANs, and which network is meant
 *     policy-parse-rights.c    devices, services and moves
 *     policy-parse-movable.c   services that the bridge translates for
 *     policy-parse-names.c     the zone in which services are told
 *     policy-parse-values.c    what several sections are made of
 *
 * Each function returns false after an error, which is then in the reader. */

#include <stdbool.h>

#include "sset.h"

struct in6_addr;
struct policy;
struct policy_bridge;
struct policy_prefix;
struct shash;
struct yaml_item;
struct yaml_reader;

/* Fills in 'policy', which holds the defaults, from 'reader', into which
 * errors go.  After an error 'policy' is incomplete, but can be destroyed. */
void policy_parse(struct policy *, struct yaml_reader *);

/* Sections are read in an order in which every name that one of them uses was
 * defined before, whatever their order in the file. */
struct policy_parser {
    struct policy *policy;
    struct yaml_reader *reader;
    struct sset groups; /* That some device is in. */
};

/* Reads the value of one named thing in a section. */
typedef bool policy_parse_entry(struct policy_parser *, const char *name,
                                const struct yaml_item *);
policy_parse_entry policy_parse_bridge;
policy_parse_entry policy_parse_lan;
policy_parse_entry policy_parse_pool;
policy_parse_entry policy_parse_device;
policy_parse_entry policy_parse_service;
policy_parse_entry policy_parse_movable;
bool policy_parse_moves(struct policy_parser *);
/* 'item' may be null: no zone. */
bool policy_parse_names(struct policy_parser *, const struct yaml_item *);
/* In policy-parse-network.c: of a network that is in the policy already. */
bool policy_parse_subnets(struct policy_parser *, const struct yaml_item *,
                          struct policy_bridge *);
/* In policy-parse-lan.c: the network that 'item' ("a pool") names by "bridge"
 * or by "lan"; stores null if it names none. */
bool policy_parse_home(struct policy_parser *, const struct yaml_item *item,
                       const char *what, const struct policy_bridge **);

/* Values.  'what' names the item for the person who reads an error. */
bool policy_parse_name(struct policy_parser *, const struct yaml_item *,
                       const char *what, const char *name);
/* Stores a copy of a string in '*valuep', or null if the item is null. */
bool policy_parse_string(struct policy_parser *, const struct yaml_item *,
                         const char *what, char **valuep);
/* A string that begins with one of 'kinds', for OVS's streams. */
bool policy_parse_target(struct policy_parser *, const struct yaml_item *,
                         const char *what, const char *const kinds[],
                         const char *expected, const char **valuep);
bool policy_parse_address(struct policy_parser *, const struct yaml_item *,
                          const char *what, struct in6_addr *);
bool policy_parse_prefix(struct policy_parser *, const struct yaml_item *,
                         const char *what, struct policy_prefix *);
/* The name of a thing that 'things' has to hold.  Returns the thing. */
void *policy_parse_reference(struct policy_parser *, const struct yaml_item *,
                             const char *what, const char *section,
                             const struct shash *things);
/* "*", the name of a device, or "@" and that of a group. */
bool policy_parse_who(struct policy_parser *, const struct yaml_item *,
                      const char *what, const char **valuep);

#endif /* lib/policy-parse.h */
