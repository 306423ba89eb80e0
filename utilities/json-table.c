/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "json-table.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "sset.h"
#include "svec.h"
#include "table.h"
#include "util.h"

/* An array reads better without JSON's punctuation. */
static char *
array_to_text(const struct json_array *array)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < array->n; i++) {
        const struct json *elem = array->elems[i];

        ds_put_cstr(&s, i ? ", " : "");
        if (elem->type == JSON_STRING) {
            ds_put_cstr(&s, json_string(elem));
        } else {
            json_to_ds(elem, JSSF_SORT, &s);
        }
    }
    return ds_steal_cstr(&s);
}

static void
fill_cell(struct cell *cell, const struct json *value,
          const struct table_style *style)
{
    if (!value || value->type == JSON_NULL) {
        cell->text = xstrdup("");
    } else if (value->type == JSON_STRING) {
        cell->text = xstrdup(json_string(value));
    } else if (value->type == JSON_ARRAY && style->format != TF_JSON) {
        cell->text = array_to_text(json_array(value));
    } else {
        cell->json = json_clone(value);
    }
}

/* Appends to 'names' the members of 'object' that are not in it. */
static void
add_names(struct svec *names, const struct json *object)
{
    const struct shash_node **nodes = shash_sort(json_object(object));

    for (size_t i = 0; i < shash_count(json_object(object)); i++) {
        if (!svec_contains_unsorted(names, nodes[i]->name)) {
            svec_add(names, nodes[i]->name);
        }
    }
    free(nodes);
}

static void
start_names(struct svec *names, const char *const first[])
{
    svec_init(names);
    for (; *first; first++) {
        svec_add(names, *first);
    }
}

void
json_table_print(const char *caption, const struct json *rows,
                 const char *const columns[], const struct table_style *style)
{
    const struct json_array *array = json_array(rows);
    struct table table;
    struct svec names;

    start_names(&names, columns);
    for (size_t i = 0; i < array->n; i++) {
        if (array->elems[i]->type == JSON_OBJECT) {
            add_names(&names, array->elems[i]);
        }
    }

    table_init(&table);
    table_set_caption(&table, nullable_xstrdup(caption));
    for (size_t i = 0; i < names.n; i++) {
        table_add_column(&table, "%s", names.names[i]);
    }
    for (size_t i = 0; i < array->n; i++) {
        const struct json *row = array->elems[i];

        if (row->type != JSON_OBJECT) {
            continue;
        }
        table_add_row(&table);
        for (size_t j = 0; j < names.n; j++) {
            fill_cell(table_add_cell(&table),
                      shash_find_data(json_object(row), names.names[j]),
                      style);
        }
    }
    table_print(&table, style);
    table_destroy(&table);
    svec_destroy(&names);
}

/* Adds a row for 'value', or a row for each member if it is an object. */
static void
add_value(struct table *table, const char *name, const struct json *value,
          const struct table_style *style)
{
    if (value->type == JSON_OBJECT) {
        struct svec names = SVEC_EMPTY_INITIALIZER;

        add_names(&names, value);
        for (size_t i = 0; i < names.n; i++) {
            char *full = xasprintf("%s %s", name, names.names[i]);
            add_value(table, full,
                      shash_find_data(json_object(value), names.names[i]),
                      style);
            free(full);
        }
        svec_destroy(&names);
    } else if (value->type != JSON_ARRAY) {
        table_add_row(table);
        table_add_cell(table)->text = xstrdup(name);
        fill_cell(table_add_cell(table), value, style);
    }
}

void
json_table_print_object(const char *caption, const struct json *object,
                        const char *const first[],
                        const struct table_style *style)
{
    struct table table;
    struct svec names;

    start_names(&names, first);
    add_names(&names, object);

    table_init(&table);
    table_set_caption(&table, nullable_xstrdup(caption));
    table_add_column(&table, "what");
    table_add_column(&table, "value");
    for (size_t i = 0; i < names.n; i++) {
        const struct json *value = shash_find_data(json_object(object),
                                                   names.names[i]);
        if (value) {
            add_value(&table, names.names[i], value, style);
        }
    }
    table_print(&table, style);
    table_destroy(&table);
    svec_destroy(&names);
}

void
json_table_format_times(const struct json *rows, const char *name)
{
    for (size_t i = 0; i < json_array(rows)->n; i++) {
        struct json *row = json_array(rows)->elems[i];
        const struct json *value = NULL;

        if (row->type == JSON_OBJECT) {
            value = shash_find_data(json_object(row), name);
        }
        if (value && value->type == JSON_INTEGER) {
            char *s = xastrftime_msec("%Y-%m-%d %H:%M:%S.###",
                                      json_integer(value), false);
            json_object_put_string(row, name, s);
            free(s);
        }
    }
}
