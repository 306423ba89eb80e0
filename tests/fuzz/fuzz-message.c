/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "message.h"
#include "openvswitch/shash.h"
#include "util.h"
#include "openvswitch/json.h"

#include "fuzz.h"

/* A JSON text of another machine, each of whose members is read as everything
 * that a member can be. */
static void
read_member(const struct json *json, const char *name)
{
    struct message m = MESSAGE_INITIALIZER(json);
    struct in6_addr address;
    struct eth_addr ea;
    struct uuid uuid;
    uint8_t bytes[32];
    unsigned int plen;
    uint64_t integer;
    size_t n;

    fuzz_check(strlen(message_get_string(&m, name, 100)) <= 100);
    message_get_optional_string(&m, name, 100);
    message_get_name(&m, name);
    message_get_uuid(&m, name, &uuid);
    message_get_address(&m, name, &address);
    message_get_prefix(&m, name, &address, &plen);
    fuzz_check(plen <= 128);
    message_get_eth(&m, name, &ea);
    integer = message_get_integer(&m, name, 5, 7);
    fuzz_check(integer >= 5 && integer <= 7);
    message_get_boolean(&m, name);
    message_get_bytes(&m, name, bytes, sizeof bytes);
    free(message_get_blob(&m, name, sizeof bytes, &n));
    fuzz_check(n <= sizeof bytes);
    fuzz_check(message_get_array(&m, name, 3)->n <= 3);
    message_get_object(&m, name);
    free(message_finish(&m));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = xmemdup0((const char *) data, n);
    struct json *json = json_from_string(text);

    read_member(json, "x");
    if (json->type == JSON_OBJECT) {
        struct shash_node *node;

        SHASH_FOR_EACH(node, json_object(json)) {
            read_member(json, node->name);
        }
    }
    json_destroy(json);
    free(text);
    return 0;
}
