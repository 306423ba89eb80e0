/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_JSON_TABLE_H
#define BATON_JSON_TABLE_H 1

/* Tables for people (and programs: table.h's formats) of what a daemon
 * answered in JSON. */

struct json;
struct table_style;

/* Prints 'rows', an array of flat objects.  'columns', which ends in null,
 * come first, in this order, and are there even if no row has them; members
 * that it does not name follow by name.  'caption' may be null. */
void json_table_print(const char *caption, const struct json *rows,
                      const char *const columns[], const struct table_style *);

/* Prints one object as a table of names and values, 'names' first.  Leaves out
 * members that are arrays; a member of a member object is named "OUTER
 * INNER". */
void json_table_print_object(const char *caption, const struct json *object,
                             const char *const names[],
                             const struct table_style *);

/* Writes the times under 'name' in 'rows', an array of objects, which daemons
 * give in milliseconds since 1970, as people do. */
void json_table_format_times(const struct json *rows, const char *name);

#endif /* utilities/json-table.h */
