/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DATABASE_UPGRADE_H
#define BATON_DATABASE_UPGRADE_H 1

/* Makes a database out of one whose rows have other ids than they were written
 * with: `ovsdb-client restore' gives each a new one, and in version 1 of the
 * schema a session's row had any.  A row's id cannot be changed, so each row of
 * table Session whose id is not its session's is replaced, all at once, and
 * then table Controller says that its row is itself again:
 *
 *     ops = database_upgrade_ask();
 *     ... the result of its only operation ...
 *     ops = database_upgrade_compose(result, &controller_row);
 *
 * Version 1 also had a column of its own for how often a session may be passed
 * on.  Whoever leads does this before anything else; so it does not matter
 * whether the database is embedded or somebody's own. */

struct json;
struct uuid;

/* Selects the rows. */
struct json *database_upgrade_ask(void);
/* Replaces those that must be. */
struct json *database_upgrade_compose(const struct json *result,
                                      const struct uuid *controller_row);

#endif /* controller/database-upgrade.h */
