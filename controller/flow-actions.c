/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-actions.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "util.h"

struct shared_actions {
    struct hmap_node node;
    size_t n_refs;
    size_t n; /* Bytes. */
    struct ofpact ofpacts[];
};

void
flow_actions_init(struct flow_actions *actions)
{
    hmap_init(&actions->all);
}

void
flow_actions_destroy(struct flow_actions *actions)
{
    struct shared_actions *shared;

    HMAP_FOR_EACH_POP(shared, node, &actions->all) {
        free(shared);
    }
    hmap_destroy(&actions->all);
}

static struct shared_actions *
find(const struct flow_actions *actions, const struct ofpact *ofpacts,
     size_t n, uint32_t hash)
{
    struct shared_actions *shared;

    HMAP_FOR_EACH_WITH_HASH(shared, node, hash, &actions->all) {
        if (ofpacts_equal(shared->ofpacts, shared->n, ofpacts, n)) {
            return shared;
        }
    }
    return NULL;
}

struct ofpact *
flow_actions_share(struct flow_actions *actions, struct ofpact *ofpacts,
                   size_t n)
{
    uint32_t hash = hash_bytes(ofpacts, n, 0);
    struct shared_actions *shared;

    if (!n) {
        free(ofpacts);
        return NULL;
    }
    shared = find(actions, ofpacts, n, hash);
    if (!shared) {
        shared = xmalloc(sizeof *shared + n);
        shared->n_refs = 0;
        shared->n = n;
        memcpy(shared->ofpacts, ofpacts, n);
        hmap_insert(&actions->all, &shared->node, hash);
    }
    free(ofpacts);
    shared->n_refs++;
    return shared->ofpacts;
}

static struct shared_actions *
shared_from(const struct ofpact *ofpacts)
{
    return CONTAINER_OF(ofpacts, struct shared_actions, ofpacts[0]);
}

size_t
flow_actions_length(const struct ofpact *ofpacts)
{
    return ofpacts ? shared_from(ofpacts)->n : 0;
}

void
flow_actions_unshare(struct flow_actions *actions, struct ofpact *ofpacts)
{
    if (ofpacts) {
        struct shared_actions *shared = shared_from(ofpacts);

        if (!--shared->n_refs) {
            hmap_remove(&actions->all, &shared->node);
            free(shared);
        }
    }
}
