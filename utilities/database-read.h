/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DATABASE_READ_H
#define BATON_DATABASE_READ_H 1

/* What the controllers' database holds, for people: from anywhere, and while
 * no controller runs. */

struct json;

/* Reads the database at 'remote' ("unix:FILE", "ssl:IP:PORT"...).  Stores an
 * object with the members "controller", an object, and "devices", "leases"
 * and "sessions", arrays of flat objects; or returns what is wrong, which the
 * caller frees.  Waits for as long as there is no answer. */
char *database_read(const char *remote, struct json **objectp);

#endif /* utilities/database-read.h */
