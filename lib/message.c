/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "message.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

bool
message_name_is_valid(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                         "0123456789._-");

    return n > 0 && n <= MESSAGE_NAME_MAX && !s[n];
}

static void message_error(struct message *, const char *name,
                          const char *format, ...) OVS_PRINTF_FORMAT(3, 4);

static void
message_error(struct message *m, const char *name, const char *format, ...)
{
    if (!m->error) {
        va_list args;
        char *what;

        va_start(args, format);
        what = xvasprintf(format, args);
        va_end(args);
        m->error = xasprintf("member \"%s\": %s", name, what);
        free(what);
    }
}

/* Returns member 'name' if it is there and of 'type', otherwise NULL and an
 * error. */
static const struct json *
message_member(struct message *m, const char *name, enum json_type type)
{
    const struct json *member;

    member = m->object && m->object->type == JSON_OBJECT
                 ? shash_find_data(json_object(m->object), name)
                 : NULL;
    if (!member) {
        message_error(m, name, "missing");
        return NULL;
    }
    if (member->type != type) {
        message_error(m, name, "is %s, expected %s",
                      json_type_to_string(member->type),
                      json_type_to_string(type));
        return NULL;
    }
    return member;
}

/* Strings of others end in logs and on terminals. */
static bool
has_control_characters(const char *s, bool lines)
{
    for (; *s; s++) {
        if (((unsigned char) *s < 0x20 && !(lines && *s == '\n'))
            || *s == 0x7f) {
            return true;
        }
    }
    return false;
}

static const char *
get_string(struct message *m, const char *name, size_t max_len, bool lines)
{
    const struct json *member = message_member(m, name, JSON_STRING);

    if (!member) {
        return "";
    }
    if (strlen(json_string(member)) > max_len) {
        message_error(m, name, "longer than %" PRIuSIZE " bytes", max_len);
        return "";
    }
    if (has_control_characters(json_string(member), lines)) {
        message_error(m, name, "has control characters");
        return "";
    }
    return json_string(member);
}

const char *
message_get_string(struct message *m, const char *name, size_t max_len)
{
    return get_string(m, name, max_len, false);
}

const char *
message_get_lines(struct message *m, const char *name, size_t max_len)
{
    return get_string(m, name, max_len, true);
}

const char *
message_get_optional_string(struct message *m, const char *name,
                            size_t max_len)
{
    const struct json *member;

    member = m->object && m->object->type == JSON_OBJECT
                 ? shash_find_data(json_object(m->object), name)
                 : NULL;
    return (!member || member->type == JSON_NULL
                ? NULL
                : message_get_string(m, name, max_len));
}

const char *
message_get_name(struct message *m, const char *name)
{
    const char *s = message_get_string(m, name, MESSAGE_NAME_MAX);

    if (!message_name_is_valid(s)) {
        message_error(m, name, "not a valid name");
    }
    return s;
}

void
message_get_uuid(struct message *m, const char *name, struct uuid *uuid)
{
    const char *s = message_get_string(m, name, UUID_LEN);

    if (!uuid_from_string(uuid, s)) {
        message_error(m, name, "not a UUID");
    }
}

/* Parses 's' as an IPv4 or IPv6 address. */
static bool
parse_address(const char *s, struct in6_addr *address)
{
    ovs_be32 ip;

    if (inet_pton(AF_INET, s, &ip) == 1) {
        in6_addr_set_mapped_ipv4(address, ip);
        return true;
    }
    return (inet_pton(AF_INET6, s, address) == 1
            && !IN6_IS_ADDR_V4MAPPED(address));
}

void
message_get_address(struct message *m, const char *name,
                    struct in6_addr *address)
{
    const char *s = message_get_string(m, name, INET6_ADDRSTRLEN);

    if (!parse_address(s, address)) {
        *address = in6addr_any;
        message_error(m, name, "not an IP address");
    }
}

void
message_get_prefix(struct message *m, const char *name,
                   struct in6_addr *address, unsigned int *plen)
{
    const char *s = message_get_string(m, name, INET6_ADDRSTRLEN + 4);
    const char *slash = strchr(s, '/');
    char *ip = xmemdup0(s, slash ? slash - s : strlen(s));
    unsigned int max;

    *address = in6addr_any;
    *plen = 128;
    if (!slash || !parse_address(ip, address)) {
        message_error(m, name, "not an IP prefix");
        free(ip);
        return;
    }
    free(ip);
    max = IN6_IS_ADDR_V4MAPPED(address) ? 32 : 128;
    if (!isdigit((unsigned char) slash[1]) || !str_to_uint(slash + 1, 10, plen)
        || *plen > max) {
        message_error(m, name, "prefix length not between 0 and %u", max);
        *plen = max;
    }
    *plen += 128 - max;
}

void
message_get_eth(struct message *m, const char *name, struct eth_addr *ea)
{
    const char *s = message_get_string(m, name, ETH_ADDR_STRLEN);

    if (!eth_addr_from_string(s, ea)) {
        message_error(m, name, "not a MAC address");
    }
}

uint64_t
message_get_integer(struct message *m, const char *name, uint64_t min,
                    uint64_t max)
{
    const struct json *member = message_member(m, name, JSON_INTEGER);

    if (!member) {
        return min;
    }
    if (json_integer(member) < 0 || json_integer(member) < min
        || json_integer(member) > max) {
        message_error(m, name, "%" PRId64 " is not in %" PRIu64 "..%" PRIu64,
                      json_integer(member), min, max);
        return min;
    }
    return json_integer(member);
}

bool
message_get_boolean(struct message *m, const char *name)
{
    const struct json *member;

    member = m->object && m->object->type == JSON_OBJECT
                 ? shash_find_data(json_object(m->object), name)
                 : NULL;
    if (!member || (member->type != JSON_TRUE && member->type != JSON_FALSE)) {
        message_error(m, name,
                      member ? "is %s, expected true or false" : "missing%s",
                      member ? json_type_to_string(member->type) : "");
        return false;
    }
    return json_boolean(member);
}

uint8_t *
message_get_blob(struct message *m, const char *name, size_t max, size_t *n)
{
    const char *s = message_get_string(m, name, (max + 2) / 3 * 4);
    size_t len = strlen(s);
    uint8_t *bytes;
    int decoded;

    *n = 0;
    if (len % 4) {
        message_error(m, name, "not base64");
        return NULL;
    }
    bytes = xmalloc(len / 4 * 3 + 1);
    decoded = len ? EVP_DecodeBlock(bytes, (const unsigned char *) s, len) : 0;
    if (decoded < 0) {
        message_error(m, name, "not base64");
        free(bytes);
        return NULL;
    }
    /* OpenSSL counts what padding stands for. */
    if (decoded && s[len - 1] == '=') {
        decoded -= 1 + (s[len - 2] == '=');
    }
    if (decoded > max) {
        message_error(m, name, "longer than %" PRIuSIZE " bytes", max);
        free(bytes);
        return NULL;
    }
    *n = decoded;
    return bytes;
}

void
message_get_bytes(struct message *m, const char *name, void *p, size_t n)
{
    size_t size;
    uint8_t *bytes = message_get_blob(m, name, n, &size);

    if (bytes && size == n) {
        memcpy(p, bytes, n);
    } else {
        memset(p, 0, n);
        message_error(m, name, "%" PRIuSIZE " bytes, expected %" PRIuSIZE,
                      size, n);
    }
    free(bytes);
}

const struct json_array *
message_get_array(struct message *m, const char *name, size_t max)
{
    static const struct json_array empty = { 0, 0, NULL };
    const struct json *member = message_member(m, name, JSON_ARRAY);

    if (!member) {
        return &empty;
    }
    if (member->array.n > max) {
        message_error(m, name, "more than %" PRIuSIZE " elements", max);
        return &empty;
    }
    return &member->array;
}

const struct json *
message_get_object(struct message *m, const char *name)
{
    return message_member(m, name, JSON_OBJECT);
}

char *
message_finish(struct message *m)
{
    char *error = m->error;

    m->error = NULL;
    return error;
}

void
message_put_string(struct json *object, const char *name, const char *s)
{
    json_object_put_string(object, name, s);
}

void
message_put_text(struct json *object, const char *name, const char *s,
                 size_t max_len)
{
    size_t n = strlen(s);

    if (n > max_len) {
        /* Not within a character of UTF-8. */
        for (n = max_len; n && ((unsigned char) s[n] & 0xc0) == 0x80; n--) {
            continue;
        }
    }
    json_object_put(object, name, json_string_create_nocopy(xmemdup0(s, n)));
}

void
message_put_uuid(struct json *object, const char *name,
                 const struct uuid *uuid)
{
    json_object_put_format(object, name, UUID_FMT, UUID_ARGS(uuid));
}

void
message_put_address(struct json *object, const char *name,
                    const struct in6_addr *address)
{
    char s[INET6_ADDRSTRLEN];

    json_object_put_string(object, name, ipv6_string_mapped(s, address));
}

void
message_put_prefix(struct json *object, const char *name,
                   const struct in6_addr *address, unsigned int plen)
{
    char s[INET6_ADDRSTRLEN];

    json_object_put_format(object, name, "%s/%u",
                           ipv6_string_mapped(s, address),
                           plen - (IN6_IS_ADDR_V4MAPPED(address) ? 96 : 0));
}

void
message_put_eth(struct json *object, const char *name, struct eth_addr ea)
{
    json_object_put_format(object, name, ETH_ADDR_FMT, ETH_ADDR_ARGS(ea));
}

void
message_put_integer(struct json *object, const char *name, uint64_t value)
{
    json_object_put(object, name, json_integer_create(value));
}

void
message_put_boolean(struct json *object, const char *name, bool value)
{
    json_object_put(object, name, json_boolean_create(value));
}

void
message_put_bytes(struct json *object, const char *name, const void *p,
                  size_t n)
{
    char *s = xmalloc((n + 2) / 3 * 4 + 1);

    EVP_EncodeBlock((unsigned char *) s, p, n);
    json_object_put(object, name, json_string_create_nocopy(s));
}
