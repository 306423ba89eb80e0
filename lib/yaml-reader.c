/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "yaml-reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

#include "openvswitch/dynamic-string.h"
#include "sset.h"
#include "util.h"

struct yaml_reader {
    char *file_name;
    struct yaml_item *root;
    size_t n_items; /* Read so far, against the limit. */
    char *error;    /* The first one. */
};

static const char *const type_names[] = {
    [YAML_ITEM_SCALAR] = "a single value",
    [YAML_ITEM_LIST] = "a list",
    [YAML_ITEM_MAP] = "a map of keys and values",
};

/* Errors. */

static void OVS_PRINTF_FORMAT(4, 0)
    fail_at(struct yaml_reader *reader, size_t line, size_t column,
            const char *format, va_list args)
{
    if (reader->error) {
        return;
    }

    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_format(&s, "%s:", reader->file_name);
    if (line) {
        ds_put_format(&s, "%" PRIuSIZE ":%" PRIuSIZE ":", line, column);
    }
    ds_put_char(&s, ' ');
    ds_put_format_valist(&s, format, args);
    reader->error = ds_steal_cstr(&s);
}

void
yaml_reader_fail(struct yaml_reader *reader, const struct yaml_item *item,
                 const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail_at(reader, item ? item->line : 0, item ? item->column : 0, format,
            args);
    va_end(args);
}

static void OVS_PRINTF_FORMAT(3, 4)
    fail_mark(struct yaml_reader *reader, const yaml_mark_t *mark,
              const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail_at(reader, mark->line + 1, mark->column + 1, format, args);
    va_end(args);
}

bool
yaml_reader_has_failed(const struct yaml_reader *reader)
{
    return reader->error != NULL;
}

/* Items. */

static struct yaml_item *
item_create(enum yaml_item_type type, const yaml_mark_t *mark)
{
    struct yaml_item *item = xzalloc(sizeof *item);

    item->type = type;
    item->line = mark->line + 1;
    item->column = mark->column + 1;
    return item;
}

static void
item_destroy(struct yaml_item *item)
{
    if (item) {
        for (size_t i = 0; i < item->n; i++) {
            item_destroy(item->items[i]);
            if (item->keys) {
                item_destroy(item->keys[i]);
            }
        }
        free(item->items);
        free(item->keys);
        free(item->text);
        free(item);
    }
}

/* Takes 'key' (null in a list) and 'value'. */
static void
item_add(struct yaml_item *item, struct yaml_item *key,
         struct yaml_item *value)
{
    if (item->n >= item->allocated) {
        item->items = x2nrealloc(item->items, &item->allocated,
                                 sizeof *item->items);
        if (key) {
            item->keys = xrealloc(item->keys,
                                  item->allocated * sizeof *item->keys);
        }
    }
    if (key) {
        item->keys[item->n] = key;
    }
    item->items[item->n++] = value;
}

/* Reading.
 *
 * By libyaml's events, not by its documents, in which an alias cannot be told
 * from what it stands for. */

/* Stores the next event in '*event', which the caller must delete if this
 * function returns true. */
static bool
next_event(struct yaml_reader *reader, yaml_parser_t *parser,
           yaml_event_t *event)
{
    if (yaml_parser_parse(parser, event)) {
        return true;
    }
    if (parser->error == YAML_READER_ERROR) {
        yaml_reader_fail(reader, NULL, "byte %" PRIuSIZE ": %s",
                         parser->problem_offset, parser->problem);
    } else {
        fail_mark(reader, &parser->problem_mark, "not valid YAML: %s",
                  parser->problem ? parser->problem : "out of memory");
    }
    return false;
}

/* Refuses what may stand before any item. */
static bool
check_decoration(struct yaml_reader *reader, const yaml_event_t *event,
                 const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor) {
        fail_mark(reader, &event->start_mark,
                  "anchor \"&%s\" is not taken here; write the value in full "
                  "wherever it is wanted",
                  anchor);
        return false;
    }
    if (tag) {
        fail_mark(reader, &event->start_mark,
                  "tag \"%s\" is not taken here; expected a value without "
                  "a tag",
                  tag);
        return false;
    }
    return true;
}

static struct yaml_item *read_item(struct yaml_reader *, yaml_parser_t *,
                                   const yaml_event_t *, unsigned int depth);

static struct yaml_item *
read_scalar(struct yaml_reader *reader, const yaml_event_t *event)
{
    const char *text = (const char *) event->data.scalar.value;
    size_t length = event->data.scalar.length;

    if (!check_decoration(reader, event, event->data.scalar.anchor,
                          event->data.scalar.tag)) {
        return NULL;
    }
    if (memchr(text, 0, length)) {
        fail_mark(reader, &event->start_mark, "a null character in a string");
        return NULL;
    }

    struct yaml_item *item = item_create(YAML_ITEM_SCALAR, &event->start_mark);
    item->text = xmemdup0(text, length);
    item->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return item;
}

static struct yaml_item *
read_list(struct yaml_reader *reader, yaml_parser_t *parser,
          const yaml_event_t *start, unsigned int depth)
{
    if (!check_decoration(reader, start, start->data.sequence_start.anchor,
                          start->data.sequence_start.tag)) {
        return NULL;
    }

    struct yaml_item *list = item_create(YAML_ITEM_LIST, &start->start_mark);
    yaml_event_t event;
    while (next_event(reader, parser, &event)) {
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return list;
        }
        struct yaml_item *item = read_item(reader, parser, &event, depth + 1);
        yaml_event_delete(&event);
        if (!item) {
            break;
        }
        item_add(list, NULL, item);
    }
    item_destroy(list);
    return NULL;
}

/* Reads a key and its value into 'map', whose keys so far are in 'keys'. */
static bool
read_pair(struct yaml_reader *reader, yaml_parser_t *parser,
          const yaml_event_t *first, unsigned int depth, struct sset *keys,
          struct yaml_item *map)
{
    struct yaml_item *key = read_item(reader, parser, first, depth);
    if (!key) {
        return false;
    }
    if (key->type != YAML_ITEM_SCALAR) {
        yaml_reader_fail(reader, key, "a key is %s; expected a name",
                         type_names[key->type]);
    } else if (!sset_add(keys, key->text)) {
        yaml_reader_fail(reader, key,
                         "key \"%s\" is there twice; expected it once",
                         key->text);
    } else {
        yaml_event_t event;
        if (next_event(reader, parser, &event)) {
            struct yaml_item *value = read_item(reader, parser, &event, depth);
            yaml_event_delete(&event);
            if (value) {
                item_add(map, key, value);
                return true;
            }
        }
    }
    item_destroy(key);
    return false;
}

static struct yaml_item *
read_map(struct yaml_reader *reader, yaml_parser_t *parser,
         const yaml_event_t *start, unsigned int depth)
{
    if (!check_decoration(reader, start, start->data.mapping_start.anchor,
                          start->data.mapping_start.tag)) {
        return NULL;
    }

    struct yaml_item *map = item_create(YAML_ITEM_MAP, &start->start_mark);
    struct sset keys = SSET_INITIALIZER(&keys);
    yaml_event_t event;
    bool ok = false;
    while (next_event(reader, parser, &event)) {
        ok = event.type == YAML_MAPPING_END_EVENT;
        bool more = !ok
                    && read_pair(reader, parser, &event, depth + 1, &keys,
                                 map);
        yaml_event_delete(&event);
        if (!more) {
            break;
        }
    }
    sset_destroy(&keys);
    if (!ok) {
        item_destroy(map);
        return NULL;
    }
    return map;
}

/* Reads the item that begins with 'event'. */
static struct yaml_item *
read_item(struct yaml_reader *reader, yaml_parser_t *parser,
          const yaml_event_t *event, unsigned int depth)
{
    if (depth > YAML_READER_MAX_DEPTH) {
        fail_mark(reader, &event->start_mark,
                  "nested too deeply; expected at most %d levels",
                  YAML_READER_MAX_DEPTH);
        return NULL;
    }
    if (++reader->n_items > YAML_READER_MAX_ITEMS) {
        fail_mark(reader, &event->start_mark,
                  "too many values; expected at most %d",
                  YAML_READER_MAX_ITEMS);
        return NULL;
    }

    if (event->type == YAML_SCALAR_EVENT) {
        return read_scalar(reader, event);
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        return read_list(reader, parser, event, depth);
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        return read_map(reader, parser, event, depth);
    } else if (event->type == YAML_ALIAS_EVENT) {
        fail_mark(reader, &event->start_mark,
                  "alias \"*%s\" is not taken here; write the value in full, "
                  "or \"*\" in quotes for any",
                  event->data.alias.anchor);
    } else {
        fail_mark(reader, &event->start_mark, "expected a value");
    }
    return NULL;
}

/* Reads the one document: STREAM-START DOCUMENT-START item DOCUMENT-END
 * STREAM-END. */
static void
read_stream(struct yaml_reader *reader, yaml_parser_t *parser)
{
    yaml_event_t event;
    bool more = true;

    while (more && next_event(reader, parser, &event)) {
        if (event.type == YAML_STREAM_END_EVENT) {
            if (!reader->root) {
                yaml_reader_fail(reader, NULL, "empty; expected YAML");
            }
            more = false;
        } else if (event.type == YAML_DOCUMENT_START_EVENT && reader->root) {
            fail_mark(reader, &event.start_mark,
                      "a second document; expected one in a file");
            more = false;
        } else if (event.type != YAML_STREAM_START_EVENT
                   && event.type != YAML_DOCUMENT_START_EVENT
                   && event.type != YAML_DOCUMENT_END_EVENT) {
            reader->root = read_item(reader, parser, &event, 0);
            more = reader->root != NULL;
        }
        yaml_event_delete(&event);
    }
}

struct yaml_reader *
yaml_reader_open_text(const char *file_name, const char *text, size_t n)
{
    struct yaml_reader *reader = xzalloc(sizeof *reader);
    reader->file_name = xstrdup(file_name);

    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        out_of_memory();
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, n);
    read_stream(reader, &parser);
    yaml_parser_delete(&parser);
    return reader;
}

/* Returns 0 and the file's bytes in '*textp', which the caller must free, or
 * a positive errno value. */
static int
read_file(const char *file_name, char **textp, size_t *np)
{
    FILE *file = fopen(file_name, "re");
    if (!file) {
        return errno;
    }

    char *text = NULL;
    size_t n = 0;
    size_t allocated = 0;
    int error = 0;
    struct stat st;
    if (!fstat(fileno(file), &st) && S_ISDIR(st.st_mode)) {
        error = EISDIR;
    }
    while (!error && !feof(file)) {
        if (n >= YAML_READER_MAX_BYTES) {
            error = EFBIG;
        } else {
            if (n >= allocated) {
                allocated = allocated ? 2 * allocated : 4096;
                text = xrealloc(text, allocated);
            }
            n += fread(text + n, 1, allocated - n, file);
            error = ferror(file) ? EIO : 0;
        }
    }
    fclose(file);
    if (error) {
        free(text);
        return error;
    }
    *textp = text;
    *np = n;
    return 0;
}

struct yaml_reader *
yaml_reader_open(const char *file_name)
{
    char *text = NULL;
    size_t n = 0;

    int error = read_file(file_name, &text, &n);
    if (error) {
        struct yaml_reader *reader = xzalloc(sizeof *reader);
        reader->file_name = xstrdup(file_name);
        yaml_reader_fail(reader, NULL, "%s", ovs_strerror(error));
        return reader;
    }

    struct yaml_reader *reader = yaml_reader_open_text(file_name, text, n);
    free(text);
    return reader;
}

char *
yaml_reader_close(struct yaml_reader *reader)
{
    char *error = reader->error;

    item_destroy(reader->root);
    free(reader->file_name);
    free(reader);
    return error;
}

const struct yaml_item *
yaml_reader_root(const struct yaml_reader *reader)
{
    return reader->root;
}

/* Taking apart. */

const struct yaml_item *
yaml_item_find(const struct yaml_item *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++) {
        if (!strcmp(map->keys[i]->text, key)) {
            return map->items[i];
        }
    }
    return NULL;
}

static bool
check_type(struct yaml_reader *reader, const struct yaml_item *item,
           const char *what, enum yaml_item_type type)
{
    if (item->type == type) {
        return true;
    }
    yaml_reader_fail(reader, item, "%s is %s; expected %s", what,
                     item->type == YAML_ITEM_SCALAR && item->plain
                             && !item->text[0]
                         ? "empty"
                         : type_names[item->type],
                     type_names[type]);
    return false;
}

bool
yaml_reader_is_map(struct yaml_reader *reader, const struct yaml_item *item,
                   const char *what)
{
    return check_type(reader, item, what, YAML_ITEM_MAP);
}

bool
yaml_reader_is_list(struct yaml_reader *reader, const struct yaml_item *item,
                    const char *what)
{
    return check_type(reader, item, what, YAML_ITEM_LIST);
}

static bool
is_one_of(const char *s, const char *const list[])
{
    while (*list && strcmp(s, *list)) {
        list++;
    }
    return *list != NULL;
}

bool
yaml_reader_check_keys(struct yaml_reader *reader,
                       const struct yaml_item *item, const char *what,
                       const char *const keys[])
{
    if (!yaml_reader_is_map(reader, item, what)) {
        return false;
    }
    for (size_t i = 0; i < item->n; i++) {
        if (!is_one_of(item->keys[i]->text, keys)) {
            struct ds s = DS_EMPTY_INITIALIZER;
            for (size_t j = 0; keys[j]; j++) {
                ds_put_format(&s, "%s%s",
                              !j            ? ""
                              : keys[j + 1] ? ", "
                                            : " or ",
                              keys[j]);
            }
            yaml_reader_fail(reader, item->keys[i],
                             "unknown key \"%s\" in %s; expected %s",
                             item->keys[i]->text, what, ds_cstr(&s));
            ds_destroy(&s);
            return false;
        }
    }
    return true;
}

const struct yaml_item *
yaml_reader_require(struct yaml_reader *reader, const struct yaml_item *map,
                    const char *what, const char *key)
{
    const struct yaml_item *item = yaml_item_find(map, key);
    if (!item) {
        yaml_reader_fail(reader, map, "%s has no \"%s\"; expected one", what,
                         key);
    }
    return item;
}

/* Would YAML read 'text', written without quotes, as something else than a
 * string?  Wider than YAML 1.2 says, so that what a reader of YAML 1.1 takes
 * for a number or a truth value has to be in quotes too. */
static bool
is_not_string(const char *text)
{
    static const char *const words[] = {
        "",     "~",     "null",  "Null",  "NULL",  "true", "True",
        "TRUE", "false", "False", "FALSE", "yes",   "Yes",  "YES",
        "no",   "No",    "NO",    "on",    "On",    "ON",   "off",
        "Off",  "OFF",   ".nan",  ".inf",  "-.inf", NULL
    };

    if (is_one_of(text, words)) {
        return true;
    }
    if (strspn(text, "0123456789+-._:eExXoOabcdfABCDF") < strlen(text)
        || !strpbrk(text, "0123456789")) {
        return false;
    }
    /* A number in a base of ten, eight or sixteen, or in sixties. */
    if (!strncmp(text, "0x", 2) || !strncmp(text, "0o", 2)) {
        return true;
    }
    char *end;
    errno = 0;
    strtod(text, &end);
    return !*end || strspn(text, "+-0123456789_:") == strlen(text);
}

bool
yaml_reader_get_string(struct yaml_reader *reader,
                       const struct yaml_item *item, const char *what,
                       const char **valuep)
{
    if (!item) {
        return true;
    }
    if (item->type != YAML_ITEM_SCALAR) {
        yaml_reader_fail(reader, item, "%s is %s; expected a string", what,
                         type_names[item->type]);
        return false;
    }
    if (item->plain && is_not_string(item->text)) {
        yaml_reader_fail(reader, item,
                         "%s is %s, which YAML takes for "
                         "something else; expected a string, in quotes",
                         what, item->text[0] ? item->text : "empty");
        return false;
    }
    *valuep = item->text;
    return true;
}

bool
yaml_reader_get_integer(struct yaml_reader *reader,
                        const struct yaml_item *item, const char *what,
                        uint64_t min, uint64_t max, uint64_t *valuep)
{
    if (!item) {
        return true;
    }

    if (item->type == YAML_ITEM_SCALAR && item->plain) {
        const char *s = item->text;
        if (s[0] && strspn(s, "0123456789") == strlen(s)
            && (s[0] != '0' || !s[1])) {
            errno = 0;
            uint64_t value = strtoull(s, NULL, 10);
            if (!errno && value >= min && value <= max) {
                *valuep = value;
                return true;
            }
        }
    }
    yaml_reader_fail(
        reader, item,
        "%s is %s; expected an integer from %" PRIu64 " to %" PRIu64, what,
        item->type != YAML_ITEM_SCALAR ? type_names[item->type]
        : !item->plain                 ? "a string"
        : item->text[0]                ? item->text
                                       : "empty",
        min, max);
    return false;
}

bool
yaml_reader_get_uint(struct yaml_reader *reader, const struct yaml_item *item,
                     const char *what, unsigned int min, unsigned int max,
                     unsigned int *valuep)
{
    uint64_t value = *valuep;

    bool ok = yaml_reader_get_integer(reader, item, what, min, max, &value);
    *valuep = value;
    return ok;
}

bool
yaml_reader_get_bool(struct yaml_reader *reader, const struct yaml_item *item,
                     const char *what, bool *valuep)
{
    if (!item) {
        return true;
    }
    if (item->type == YAML_ITEM_SCALAR && item->plain) {
        if (!strcmp(item->text, "true")) {
            *valuep = true;
            return true;
        } else if (!strcmp(item->text, "false")) {
            *valuep = false;
            return true;
        }
    }
    yaml_reader_fail(reader, item, "%s is %s; expected true or false", what,
                     item->type != YAML_ITEM_SCALAR ? type_names[item->type]
                     : !item->plain                 ? "a string"
                     : item->text[0]                ? item->text
                                                    : "empty");
    return false;
}
