/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DATABASE_SERVER_H
#define BATON_DATABASE_SERVER_H 1

/* The embedded database: an ovsdb-server of the controller's own, on one file
 * in one directory.
 *
 *     server = database_server_start("/var/lib/baton", &error);
 *     ... database_create(database_server_get_remote(server), ...) ...
 *     database_server_run(server);           starts it again if it ends
 *     database_server_stop(server);
 *
 * What the directory holds: baton.db, baton.db.backup-VERSION (before an
 * upgrade of the schema), db.sock, ovsdb-server.{pid,log,ctl}.
 *
 * The server ends with the controller, however that ends. */

struct database_server;

/* Creates the file if there is none, converts it if its schema is another one,
 * and waits until the server answers.  NULL and a message in '*errorp' if the
 * file is damaged, newer than we are, not to be written, or the like. */
struct database_server *database_server_start(const char *directory,
                                              char **errorp);
void database_server_stop(struct database_server *);
void database_server_run(struct database_server *);
void database_server_wait(struct database_server *);

const char *database_server_get_remote(const struct database_server *);

#endif /* controller/database-server.h */
