/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "policy-parse.h"

#include <string.h>

#include "policy.h"
#include "util.h"
#include "yaml-reader.h"

/* lans: */

static bool
read_proof(struct policy_parser *p, const struct yaml_item *item,
           bool *by_policy)
{
    const char *s = "subnet";

    if (!yaml_reader_get_string(p->reader, item, "proof", &s)) {
        return false;
    }
    *by_policy = !strcmp(s, "policy");
    if (!*by_policy && strcmp(s, "subnet")) {
        yaml_reader_fail(p->reader, item,
                         "\"%s\" is no proof; expected subnet or policy", s);
        return false;
    }
    return true;
}

bool
policy_parse_lan(struct policy_parser *p, const char *name,
                 const struct yaml_item *item)
{
    static const char *const keys[] = { "subnets", "proof", NULL };
    struct yaml_reader *r = p->reader;
    const struct yaml_item *subnets;
    struct policy_bridge *lan;
    bool by_policy = false;

    if (!yaml_reader_check_keys(r, item, "a lan", keys)) {
        return false;
    }
    subnets = yaml_reader_require(r, item, "a lan", "subnets");
    if (!subnets
        || !read_proof(p, yaml_item_find(item, "proof"), &by_policy)) {
        return false;
    }
    if (shash_find(&p->policy->bridges, name)) {
        yaml_reader_fail(r, item, "\"%s\" is a bridge; expected another name",
                         name);
        return false;
    }
    lan = xzalloc(sizeof *lan);
    lan->name = xstrdup(name);
    lan->lan = true;
    lan->lan_by_policy = by_policy;
    lan->forward_table = -1;
    shash_add(&p->policy->bridges, name, lan);
    return policy_parse_subnets(p, subnets, lan);
}

/* Which network? */

bool
policy_parse_home(struct policy_parser *p, const struct yaml_item *item,
                  const char *what, const struct policy_bridge **homep)
{
    const struct yaml_item *bridge = yaml_item_find(item, "bridge");
    const struct yaml_item *lan = yaml_item_find(item, "lan");
    const struct yaml_item *name = bridge ? bridge : lan;

    *homep = NULL;
    if (bridge && lan) {
        yaml_reader_fail(p->reader, lan,
                         "%s has both bridge and lan; expected one of them",
                         what);
        return false;
    }
    if (!name) {
        return true;
    }
    *homep = policy_parse_reference(p, name, bridge ? "bridge" : "lan",
                                    bridge ? "bridges" : "lans",
                                    &p->policy->bridges);
    if (*homep && (*homep)->lan != (lan != NULL)) {
        yaml_reader_fail(
            p->reader, name, "\"%s\" is a %s; expected \"%s: %s\"", name->text,
            lan ? "bridge" : "lan", lan ? "bridge" : "lan", name->text);
        return false;
    }
    return *homep != NULL;
}
