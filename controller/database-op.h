/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DATABASE_OP_H
#define BATON_DATABASE_OP_H 1

/* The words that transactions with the database are written and read in: an
 * operation is a JSON object that the caller owns (RFC 7047, section 5.2), and
 * so is its result. */

struct json;
struct uuid;

struct json *database_uuid_to_json(const struct uuid *);
/* With an empty "where", unless it inserts. */
struct json *database_op(const char *op, const char *table);
/* One more clause "column == value" of "where".  Takes 'value'. */
void database_op_where(struct json *op, const char *column,
                       struct json *value);
/* Adds to 'ops' what makes 'row' (which it takes) the columns of the row of
 * 'table' whose "_uuid" is 'uuid'.  NULL as 'uuid': of a new row; as 'row': it
 * is deleted. */
void database_op_add(struct json *ops, const char *table,
                     const struct uuid *uuid, struct json *row);
/* The id in a column of a result's row, an object; or NULL. */
const char *database_uuid_in(const struct json *row, const char *column);
/* A result's "count", or 0. */
long long int database_result_count(const struct json *result);

#endif /* controller/database-op.h */
