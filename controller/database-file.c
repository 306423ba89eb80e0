/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "database-file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sha1.h"
#include "util.h"

/* A record: a line "OVSDB JSON LENGTH SHA1", then LENGTH bytes. */
#define MAGIC "OVSDB JSON "
#define HEADER_MAX 128

/* Reads one record.  True if it is good. */
static bool
read_record(FILE *file, off_t left)
{
    char header[HEADER_MAX], said[SHA1_HEX_DIGEST_LEN + 1];
    uint8_t block[65536], sha1[SHA1_DIGEST_SIZE];
    char is[SHA1_HEX_DIGEST_LEN + 1];
    struct sha1_ctx ctx;
    long long int length;

    if (!fgets(header, sizeof header, file)
        || sscanf(header, MAGIC "%lld %40[0-9a-f]", &length, said) != 2
        || length < 0 || length > left) {
        return false;
    }
    sha1_init(&ctx);
    while (length) {
        size_t n = MIN(length, sizeof block);

        if (fread(block, 1, n, file) != n) {
            break;
        }
        sha1_update(&ctx, block, n);
        length -= n;
    }
    sha1_final(&ctx, sha1); /* Frees it, too. */
    sha1_to_hex(sha1, is);
    return !length && !strcmp(is, said);
}

/* Is there another record's beginning after 'offset'? */
static bool
any_record_after(FILE *file, off_t offset)
{
    static const char magic[] = MAGIC;
    size_t matched = 0;
    int c;

    if (fseeko(file, offset + 1, SEEK_SET)) {
        return true;
    }
    while ((c = getc(file)) != EOF) {
        matched = c == magic[matched] ? matched + 1 : c == magic[0] ? 1 : 0;
        if (!magic[matched]) {
            return true;
        }
    }
    return false;
}

char *
database_file_check(const char *file_name, off_t *good, off_t *size)
{
    FILE *file = fopen(file_name, "r+");
    char *error = NULL;
    struct stat s;

    *good = *size = 0;
    if (!file || fstat(fileno(file), &s)) {
        error = xasprintf("%s: cannot be opened to be written (%s)", file_name,
                          ovs_strerror(errno));
        if (file) {
            fclose(file);
        }
        return error;
    }
    *size = s.st_size;
    while (*good < *size && read_record(file, *size - *good)) {
        *good = ftello(file);
    }
    if (!*good) {
        error = xasprintf("%s: not the file of a database", file_name);
    } else if (*good < *size && any_record_after(file, *good)) {
        error = xasprintf("%s: damaged at byte %lld of %lld: what comes after "
                          "would be lost, so it is not used; restore a "
                          "backup, or see \"A damaged file\" in "
                          "baton-controller(8)",
                          file_name, (long long int) *good,
                          (long long int) *size);
    }
    fclose(file);
    return error;
}
