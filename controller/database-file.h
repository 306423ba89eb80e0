/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_DATABASE_FILE_H
#define BATON_DATABASE_FILE_H 1

/* Is the file of a standalone OVSDB whole?  ovsdb-server itself goes on with
 * what comes before the first bad record, and overwrites the rest: right for
 * a record that was being written when the power failed, wrong for a file
 * that was damaged in the middle, where sessions would lose their owners. */

#include <stdbool.h>
#include <sys/types.h>

/* Reads it through.  Returns NULL if it is whole up to '*good' bytes, beyond
 * which there is at most one record that was not finished; otherwise what is
 * wrong, which the caller frees. */
char *database_file_check(const char *file_name, off_t *good, off_t *size);

#endif /* controller/database-file.h */
