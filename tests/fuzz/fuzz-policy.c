/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "policy.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* The policy file: whatever the bytes, policy_load_text() gives either a
 * policy that can be asked or an error that names the file. */

static void
ask(const struct policy *policy)
{
    const struct shash_node *a;

    SHASH_FOR_EACH(a, &policy->devices) {
        char *why;

        fuzz_check(policy_name_is_valid(a->name));
        policy_may_move(policy, a->name, "tv", "files", &why);
        free(why);
        policy_may_move(policy, "tv", a->name, "", NULL);
    }
    SHASH_FOR_EACH(a, &policy->pools) {
        const struct policy_pool *pool = a->data;

        fuzz_check(pool->block_plen >= pool->prefix.plen);
        fuzz_check(pool->block_plen >= 112 && pool->block_plen <= 128);
        free(policy_prefix_to_string(&pool->prefix));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *error;
    struct policy *policy = policy_load_text("p", (const char *) data, n,
                                             &error);

    fuzz_check(!policy == !!error);
    if (policy) {
        ask(policy);
        policy_destroy(policy);
    } else {
        fuzz_check(!strncmp(error, "p:", 2));
        free(error);
    }
    return 0;
}
