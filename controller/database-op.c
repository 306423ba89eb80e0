/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "database-op.h"

#include <string.h>

#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "util.h"
#include "uuid.h"

struct json *
database_uuid_to_json(const struct uuid *uuid)
{
    return json_array_create_2(
        json_string_create("uuid"),
        json_string_create_nocopy(xasprintf(UUID_FMT, UUID_ARGS(uuid))));
}

struct json *
database_op(const char *name, const char *table)
{
    struct json *op = json_object_create();

    json_object_put_string(op, "op", name);
    json_object_put_string(op, "table", table);
    if (strcmp(name, "insert")) {
        json_object_put(op, "where", json_array_create_empty());
    }
    return op;
}

void
database_op_where(struct json *op, const char *column, struct json *value)
{
    json_array_add(shash_find_data(json_object(op), "where"),
                   json_array_create_3(json_string_create(column),
                                       json_string_create("=="), value));
}

void
database_op_add(struct json *ops, const char *table, const struct uuid *uuid,
                struct json *row)
{
    struct json *op = database_op(!row   ? "delete"
                                  : uuid ? "update"
                                         : "insert",
                                  table);

    if (uuid) {
        database_op_where(op, "_uuid", database_uuid_to_json(uuid));
    }
    if (row) {
        json_object_put(op, "row", row);
    }
    json_array_add(ops, op);
}

long long int
database_result_count(const struct json *result)
{
    const struct json *count = result ? shash_find_data(json_object(result),
                                                        "count")
                                      : NULL;

    return count && count->type == JSON_INTEGER ? json_integer(count) : 0;
}

const char *
database_uuid_in(const struct json *row, const char *column)
{
    const struct json *json = shash_find_data(json_object(row), column);

    return json && json->type == JSON_ARRAY && json_array(json)->n == 2
                   && json_array(json)->elems[1]->type == JSON_STRING
               ? json_string(json_array(json)->elems[1])
               : NULL;
}
