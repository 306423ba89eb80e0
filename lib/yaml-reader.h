/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_YAML_READER_H
#define BATON_YAML_READER_H 1

/* A strict reader of small YAML files that people write.
 *
 * The file becomes a tree of items, each of which knows its line and column.
 * What makes YAML surprising is refused: anchors and aliases (and with them
 * the "billion laughs"), tags, several documents in a file, a key that is
 * there twice, a key that is not a string, nesting beyond
 * YAML_READER_MAX_DEPTH, more than YAML_READER_MAX_ITEMS items.
 *
 *     reader = yaml_reader_open(file_name);
 *     root = yaml_reader_root(reader);
 *     yaml_reader_check_keys(reader, root, keys);
 *     yaml_reader_get_integer(reader, yaml_item_find(root, "x"), 0, 9, &x);
 *     ...
 *     error = yaml_reader_close(reader);
 *
 * The first failure is kept, as "FILE:LINE:COLUMN: what is wrong; what was
 * expected", and later ones are dropped: a caller may go on to the end and
 * look once, or stop when a function returns false.
 *
 * Lines and columns count from 1; a column is a character, not a byte. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/compiler.h"

#define YAML_READER_MAX_DEPTH 16
#define YAML_READER_MAX_ITEMS 1000000
#define YAML_READER_MAX_BYTES (16 * 1024 * 1024)

enum yaml_item_type {
    YAML_ITEM_SCALAR,
    YAML_ITEM_LIST,
    YAML_ITEM_MAP,
};

struct yaml_item {
    enum yaml_item_type type;
    size_t line, column; /* From 1. */

    /* YAML_ITEM_SCALAR. */
    char *text; /* No null bytes but the one at the end. */
    bool plain; /* Written without quotes. */

    /* YAML_ITEM_LIST, and the values of a YAML_ITEM_MAP. */
    struct yaml_item **items;
    size_t n, allocated;
    struct yaml_item **keys; /* YAML_ITEM_MAP: scalars, n of them. */
};

struct yaml_reader;

/* Neither fails: what was wrong, yaml_reader_close() says. */
struct yaml_reader *yaml_reader_open(const char *file_name);
struct yaml_reader *yaml_reader_open_text(const char *file_name,
                                          const char *text, size_t n);

/* Frees the reader and its items.  Returns null if all went well, otherwise
 * the first error, which the caller must free. */
char *yaml_reader_close(struct yaml_reader *) OVS_WARN_UNUSED_RESULT;

/* The outermost item, or null if the file could not be read. */
const struct yaml_item *yaml_reader_root(const struct yaml_reader *);

bool yaml_reader_has_failed(const struct yaml_reader *);

/* Records a failure at 'item', or with null in the file as a whole. */
void yaml_reader_fail(struct yaml_reader *, const struct yaml_item *,
                      const char *format, ...) OVS_PRINTF_FORMAT(3, 4);

/* The value of 'key' in 'map', or null. */
const struct yaml_item *yaml_item_find(const struct yaml_item *map,
                                       const char *key);

/* Each returns true if 'item' is what it asks for, and otherwise records why
 * not.  'what' names the item for the person who reads the error. */
bool yaml_reader_is_map(struct yaml_reader *, const struct yaml_item *,
                        const char *what);
bool yaml_reader_is_list(struct yaml_reader *, const struct yaml_item *,
                         const char *what);
/* 'item' is a map that has no key but those of 'keys', which ends in null. */
bool yaml_reader_check_keys(struct yaml_reader *, const struct yaml_item *,
                            const char *what, const char *const keys[]);
/* Finds 'key' in 'map', where it has to be. */
const struct yaml_item *yaml_reader_require(struct yaml_reader *,
                                            const struct yaml_item *map,
                                            const char *what, const char *key);

/* Typed values.  With a null 'item' they leave '*valuep' as it is and return
 * true, so that what the caller stored there before is the default.  A string
 * stays valid until the reader is closed. */
bool yaml_reader_get_string(struct yaml_reader *, const struct yaml_item *,
                            const char *what, const char **valuep);
bool yaml_reader_get_integer(struct yaml_reader *, const struct yaml_item *,
                             const char *what, uint64_t min, uint64_t max,
                             uint64_t *valuep);
bool yaml_reader_get_uint(struct yaml_reader *, const struct yaml_item *,
                          const char *what, unsigned int min, unsigned int max,
                          unsigned int *valuep);
bool yaml_reader_get_bool(struct yaml_reader *, const struct yaml_item *,
                          const char *what, bool *valuep);

#endif /* lib/yaml-reader.h */
