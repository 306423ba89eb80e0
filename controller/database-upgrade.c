/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "database-upgrade.h"

#include <inttypes.h>
#include <string.h>

#include "database-op.h"
#include "onward.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(database_upgrade);

/* Columns of Session that stay as they are. */
static const char *const same[] = { "session",  "address", "ended",
                                    "owner",    "epoch",   "home",
                                    "transfer", "name",    "service" };

struct json *
database_upgrade_ask(void)
{
    return json_array_create_1(database_op("select", "Session"));
}

static void
put_onward(struct json *row, const struct shash *old)
{
    const struct json *onward = shash_find_data(old, "onward");
    const struct json *depth = shash_find_data(old, "depth");
    struct onward_right right = { ONWARD_NONE, 0 };
    char s[ONWARD_STRING_LEN];

    if (onward && onward->type == JSON_STRING) {
        onward_from_string(json_string(onward), &right);
    }
    if (depth && depth->type == JSON_INTEGER) {
        right.depth = json_integer(depth);
    }
    onward_to_string(onward_normalise(right), s);
    json_object_put_string(row, "onward", s);
}

static void
add_replacement(struct json *ops, const struct json *old_row)
{
    const struct shash *old = json_object(old_row);
    const char *id = database_uuid_in(old_row, "_uuid");
    const char *session = database_uuid_in(old_row, "session");
    struct json *op, *row;

    if (!id || !session || !strcmp(id, session)) {
        return;
    }
    op = database_op("delete", "Session");
    database_op_where(op, "_uuid", json_clone(shash_find_data(old, "_uuid")));
    json_array_add(ops, op);

    op = database_op("insert", "Session");
    row = json_object_create();
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        const struct json *value = shash_find_data(old, same[i]);

        if (value) {
            json_object_put(row, same[i], json_clone(value));
        }
    }
    put_onward(row, old);
    json_object_put_string(op, "uuid", session);
    json_object_put(op, "row", row);
    json_array_add(ops, op);
}

struct json *
database_upgrade_compose(const struct json *result,
                         const struct uuid *controller_row)
{
    const struct json *rows = result ? shash_find_data(json_object(result),
                                                       "rows")
                                     : NULL;
    struct json *ops = json_array_create_empty();
    struct json *self = json_object_create();

    json_object_put(self, "self", database_uuid_to_json(controller_row));
    database_op_add(ops, "Controller", controller_row, self);

    for (size_t i = 0;
         rows && rows->type == JSON_ARRAY && i < json_array(rows)->n; i++) {
        const struct json *row = json_array(rows)->elems[i];

        if (row->type == JSON_OBJECT) {
            add_replacement(ops, row);
        }
    }
    if (json_array(ops)->n > 1) {
        VLOG_INFO("%" PRIuSIZE " sessions get their own ids as their rows'",
                  json_array(ops)->n / 2);
    }
    return ops;
}
