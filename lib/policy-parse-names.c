/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "policy-parse.h"

#include <stdlib.h>
#include <string.h>

#include "dns-message.h"
#include "packets.h"
#include "policy.h"
#include "util.h"
#include "yaml-reader.h"

/* names: */

static bool
read_zone(struct policy_parser *p, const struct yaml_item *item,
          struct policy_names *names)
{
    const char *s = NULL;

    if (!yaml_reader_get_string(p->reader, item, "zone", &s)) {
        return false;
    }
    if (!dns_zone_is_valid(s)) {
        yaml_reader_fail(p->reader, item,
                         "zone \"%s\" is not one; expected names of letters, "
                         "digits and hyphens with dots between them",
                         s);
        return false;
    }
    names->zone = xstrdup(s);
    return true;
}

static bool
read_listen(struct policy_parser *p, const struct yaml_item *list,
            struct policy_names *names)
{
    if (!yaml_reader_is_list(p->reader, list, "listen")) {
        return false;
    }
    if (!list->n) {
        yaml_reader_fail(p->reader, list,
                         "listen is empty; expected addresses of the "
                         "controller's host");
        return false;
    }
    names->listen = xcalloc(list->n, sizeof *names->listen);
    for (size_t i = 0; i < list->n; i++) {
        if (!policy_parse_address(p, list->items[i], "address",
                                  &names->listen[i])) {
            return false;
        }
        names->n_listen++;
    }
    return true;
}

static bool
read_answer(struct policy_parser *p, const struct yaml_item *item,
            bool *by_device)
{
    const char *s = "controller";

    if (!yaml_reader_get_string(p->reader, item, "answer", &s)) {
        return false;
    }
    *by_device = !strcmp(s, "device");
    if (!*by_device && strcmp(s, "controller")) {
        yaml_reader_fail(p->reader, item,
                         "\"%s\" does not answer; expected controller or "
                         "device",
                         s);
        return false;
    }
    return true;
}

/* "refuse", or who is asked instead. */
static bool
read_others(struct policy_parser *p, const struct yaml_item *item,
            struct policy_names *names)
{
    if (!item
        || (item->type == YAML_ITEM_SCALAR && !strcmp(item->text, "refuse"))) {
        return true;
    }
    names->forwards = policy_parse_address(
        p, item, "others (if not \"refuse\")", &names->forward_to);
    return names->forwards;
}

bool
policy_parse_names(struct policy_parser *p, const struct yaml_item *item)
{
    static const char *const keys[] = { "zone",   "answer", "listen",
                                        "port",   "others", "ttl",
                                        "unused", "rate",   "per-source",
                                        NULL };
    struct policy_names *names;
    struct yaml_reader *r = p->reader;
    const struct yaml_item *zone, *listen, *others;
    bool by_device;
    unsigned int port = 53;

    if (!item) {
        return true;
    }
    if (!yaml_reader_check_keys(r, item, "names", keys)) {
        return false;
    }
    zone = yaml_reader_require(r, item, "names", "zone");
    if (!zone || !read_answer(p, yaml_item_find(item, "answer"), &by_device)) {
        return false;
    }
    listen = (by_device ? yaml_item_find(item, "listen")
                        : yaml_reader_require(r, item, "names", "listen"));
    others = yaml_item_find(item, "others");
    if (by_device && (listen || others)) {
        yaml_reader_fail(
            r, listen ? listen : others,
            "devices answer at their permanent addresses, and "
            "refuse all else; expected neither listen nor others");
        return false;
    } else if (!by_device && !listen) {
        return false;
    }
    names = xzalloc(sizeof *names);
    p->policy->names = names;
    names->by_device = by_device;
    names->ttl_s = 1;
    names->unused_s = 30;
    names->per_source = 32;
    names->rate = 100;
    if (!read_zone(p, zone, names)
        || (listen && !read_listen(p, listen, names))
        || !read_others(p, others, names)
        || !yaml_reader_get_uint(r, yaml_item_find(item, "port"), "port", 1,
                                 65535, &port)
        || !yaml_reader_get_uint(r, yaml_item_find(item, "ttl"), "ttl", 0, 60,
                                 &names->ttl_s)
        || !yaml_reader_get_uint(r, yaml_item_find(item, "unused"), "unused",
                                 2, 3600, &names->unused_s)
        || !yaml_reader_get_uint(r, yaml_item_find(item, "per-source"),
                                 "per-source", 1, 100000, &names->per_source)
        || !yaml_reader_get_uint(r, yaml_item_find(item, "rate"), "rate", 1,
                                 100000, &names->rate)) {
        return false;
    }
    names->port = port;
    if (names->unused_s <= names->ttl_s) {
        yaml_reader_fail(
            r, item,
            "unused (%u s) is not more than ttl (%u s): addresses "
            "would be taken back from those who still know them",
            names->unused_s, names->ttl_s);
        return false;
    }
    return true;
}
