/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "whole-members.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "util.h"
#include "uuid.h"

struct whole_bundle *
whole_bundle_find(const struct agent *agent, const struct uuid *session)
{
    struct whole_bundle *b;

    LIST_FOR_EACH(b, node, &agent->whole->bundles) {
        if (uuid_equals(&b->session, session)) {
            return b;
        }
    }
    return NULL;
}

struct whole_bundle *
whole_bundle_get(struct agent *agent, const struct uuid *session)
{
    struct whole_bundle *b = whole_bundle_find(agent, session);

    if (!b) {
        b = xzalloc(sizeof *b);
        b->session = *session;
        ovs_list_init(&b->members);
        ovs_list_push_back(&agent->whole->bundles, &b->node);
    }
    return b;
}

void
whole_member_forget_state(struct whole_member *member)
{
    if (member->state_fd >= 0) {
        close(member->state_fd);
        member->state_fd = -1;
    }
}

struct whole_member *
whole_member_add(struct whole_bundle *b, struct app_conn *conn,
                 const char *service, const char *name)
{
    struct whole_member *member = xzalloc(sizeof *member);

    member->conn = conn;
    member->state_fd = -1;
    ovs_strlcpy(member->service, service, sizeof member->service);
    ovs_strlcpy(member->name, name, sizeof member->name);
    ovs_list_push_back(&b->members, &member->node);
    return member;
}

void
whole_member_remove(struct whole_member *member)
{
    ovs_list_remove(&member->node);
    whole_member_forget_state(member);
    free(member);
}

void
whole_bundle_destroy(struct whole_bundle *b)
{
    struct whole_member *member;

    LIST_FOR_EACH_SAFE(member, node, &b->members) {
        whole_member_remove(member);
    }
    ovs_list_remove(&b->node);
    free(b);
}

struct whole_member *
whole_member_find(const struct whole_bundle *b, const struct app_conn *conn)
{
    struct whole_member *member;

    LIST_FOR_EACH(member, node, &b->members) {
        if (member->conn == conn) {
            return member;
        }
    }
    return NULL;
}

struct whole_member *
whole_member_of_service(const struct whole_bundle *b, const char *service)
{
    struct whole_member *member;

    LIST_FOR_EACH(member, node, &b->members) {
        if (!strcmp(member->service, service)) {
            return member;
        }
    }
    return NULL;
}
