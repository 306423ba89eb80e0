/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "message.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/json.h"
#include "packets.h"
#include "unit.h"
#include "util.h"
#include "uuid.h"

static struct json *json;
static struct message m;

/* 'text' with quotation marks for apostrophes. */
static void
read_text(const char *text)
{
    char *s = xstrdup(text);

    for (char *p = s; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    json_destroy(json);
    json = json_from_string(s);
    free(s);
    m = (struct message) MESSAGE_INITIALIZER(json);
}

static void
good(void)
{
    char *error = message_finish(&m);

    if (error) {
        printf("unexpected: %s\n", error);
        CU_FAIL("an error");
    }
    free(error);
}

static void
bad(const char *what)
{
    char *error = message_finish(&m);

    if (!error) {
        printf("no error, expected \"%s\"\n", what);
    }
    CU_ASSERT_FATAL(error != NULL);
    if (!strstr(error, what)) {
        printf("\"%s\" is not in \"%s\"\n", what, error);
        CU_FAIL("wrong error");
    }
    free(error);
}

static void
test_strings(void)
{
    read_text("{'a': 'text', 'n': null, 'c': 'a\\u001b[31m', 'd': 'a\\u007f',"
              " 'l': 'one\\ntwo', 'i': 7}");
    CU_ASSERT_STRING_EQUAL(message_get_string(&m, "a", 4), "text");
    CU_ASSERT_STRING_EQUAL(message_get_lines(&m, "l", 9), "one\ntwo");
    CU_ASSERT_PTR_NULL(message_get_optional_string(&m, "n", 4));
    CU_ASSERT_PTR_NULL(message_get_optional_string(&m, "x", 4));
    CU_ASSERT_STRING_EQUAL(message_get_optional_string(&m, "a", 4), "text");
    good();
    CU_ASSERT_STRING_EQUAL(message_get_string(&m, "a", 3), "");
    bad("longer than 3 bytes");
    CU_ASSERT_STRING_EQUAL(message_get_string(&m, "c", 30), "");
    bad("control characters");
    CU_ASSERT_STRING_EQUAL(message_get_string(&m, "d", 30), "");
    bad("control characters");
    CU_ASSERT_STRING_EQUAL(message_get_string(&m, "i", 30), "");
    bad("is number, expected string");
    CU_ASSERT_STRING_EQUAL(message_get_string(&m, "x", 30), "");
    bad("\"x\": missing");
    message_get_optional_string(&m, "i", 30);
    bad("expected string");
}

static void
test_lines(void)
{
    struct json *object = json_object_create();

    read_text("{'a': 'two\\nlines', 'b': 'two\\nlines\\t'}");
    CU_ASSERT_STRING_EQUAL(message_get_lines(&m, "a", 9), "two\nlines");
    good();
    message_get_lines(&m, "b", 99);
    bad("control characters");
    message_get_string(&m, "a", 99); /* Would be two lines of a log. */
    bad("control characters");

    message_put_text(object, "short", "gr\xc3\xbc\xc3\x9f", 6);
    message_put_text(object, "cut", "gr\xc3\xbc\xc3\x9f", 5);
    message_put_text(object, "none", "\xc3\xbc", 1);
    CU_ASSERT_STRING_EQUAL(
        json_string(shash_find_data(json_object(object), "short")),
        "gr\xc3\xbc\xc3\x9f");
    CU_ASSERT_STRING_EQUAL(
        json_string(shash_find_data(json_object(object), "cut")),
        "gr\xc3\xbc");
    CU_ASSERT_STRING_EQUAL(
        json_string(shash_find_data(json_object(object), "none")), "");
    json_destroy(object);
}

static void
test_first_error_stays(void)
{
    read_text("{}");
    message_get_string(&m, "first", 1);
    message_get_integer(&m, "second", 0, 1);
    bad("first");
    good();
}

static void
test_not_an_object(void)
{
    static const char *const texts[] = { "[]", "7", "'s'", "null", "{" };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct in6_addr address;
        struct uuid uuid;
        size_t n;

        read_text(texts[i]);
        CU_ASSERT_STRING_EQUAL(message_get_string(&m, "x", 1), "");
        CU_ASSERT_PTR_NULL(message_get_optional_string(&m, "x", 1));
        CU_ASSERT_EQUAL(message_get_integer(&m, "x", 3, 4), 3);
        CU_ASSERT(!message_get_boolean(&m, "x"));
        CU_ASSERT_EQUAL(message_get_array(&m, "x", 1)->n, 0);
        CU_ASSERT_PTR_NULL(message_get_object(&m, "x"));
        free(message_get_blob(&m, "x", 4, &n));
        CU_ASSERT_EQUAL(n, 0);
        message_get_address(&m, "x", &address);
        message_get_uuid(&m, "x", &uuid);
        bad("missing");
    }
    m = (struct message) MESSAGE_INITIALIZER(NULL);
    message_get_string(&m, "x", 1);
    bad("missing");
}

static void
test_names(void)
{
    CU_ASSERT(message_name_is_valid("tv"));
    CU_ASSERT(message_name_is_valid("A-z.0_9"));
    CU_ASSERT(!message_name_is_valid(""));
    CU_ASSERT(!message_name_is_valid("a b"));
    CU_ASSERT(!message_name_is_valid("a/b"));
    CU_ASSERT(!message_name_is_valid("\xc3\xa4"));
    CU_ASSERT(!message_name_is_valid(
        "0123456789012345678901234567890123456789012345678901234567890123"));
    read_text("{'a': '../x', 'b': 'tv'}");
    CU_ASSERT_STRING_EQUAL(message_get_name(&m, "b"), "tv");
    good();
    message_get_name(&m, "a");
    bad("not a valid name");
}

static void
test_integers(void)
{
    read_text("{'a': 5, 'b': -1, 'c': 9223372036854775807, 'd': 1.5,"
              " 'e': 5e0}");
    CU_ASSERT_EQUAL(message_get_integer(&m, "a", 5, 5), 5);
    CU_ASSERT_EQUAL(message_get_integer(&m, "e", 0, 9), 5);
    CU_ASSERT_EQUAL(message_get_integer(&m, "c", 0, UINT64_MAX), INT64_MAX);
    good();
    CU_ASSERT_EQUAL(message_get_integer(&m, "a", 6, 9), 6);
    bad("5 is not in 6..9");
    CU_ASSERT_EQUAL(message_get_integer(&m, "a", 0, 4), 0);
    bad("not in 0..4");
    CU_ASSERT_EQUAL(message_get_integer(&m, "b", 0, UINT64_MAX), 0);
    bad("-1 is not in");
    message_get_integer(&m, "d", 0, UINT64_MAX);
    bad("expected number");
}

static void
test_booleans(void)
{
    read_text("{'t': true, 'f': false, 'n': 1}");
    CU_ASSERT(message_get_boolean(&m, "t"));
    CU_ASSERT(!message_get_boolean(&m, "f"));
    good();
    CU_ASSERT(!message_get_boolean(&m, "n"));
    bad("expected true or false");
    CU_ASSERT(!message_get_boolean(&m, "x"));
    bad("missing");
}

static void
test_addresses(void)
{
    static const char *const wrong[] = {
        "",         "10.1.0", "10.1.0.256",  "::ffff:10.1.0.1", "fe80::1%eth0",
        "1.2.3.4 ", "::1::2", "10.1.0.1/24",
    };
    struct in6_addr a, b;
    unsigned int plen;

    read_text("{'4': '10.1.0.1', '6': '2001:db8::1', 'p': '10.1.0.0/24',"
              " 'q': '2001:db8::/64', 'r': '10.0.0.0/33', 's': '10.0.0.0/-1',"
              " 't': '10.0.0.0', 'u': '10.0.0.0/ 8', 'v': '/8'}");
    message_get_address(&m, "4", &a);
    in6_addr_set_mapped_ipv4(&b, htonl(0x0a010001));
    CU_ASSERT(ipv6_addr_equals(&a, &b));
    message_get_address(&m, "6", &a);
    CU_ASSERT(!IN6_IS_ADDR_V4MAPPED(&a));
    message_get_prefix(&m, "p", &a, &plen);
    CU_ASSERT_EQUAL(plen, 120);
    message_get_prefix(&m, "q", &a, &plen);
    CU_ASSERT_EQUAL(plen, 64);
    good();
    for (const char *p = "rstuv"; *p; p++) {
        char name[2] = { *p, '\0' };

        message_get_prefix(&m, name, &a, &plen);
        CU_ASSERT(plen <= 128);
        bad("prefix");
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char *text = xasprintf("{'a': '%s'}", wrong[i]);

        read_text(text);
        message_get_address(&m, "a", &a);
        CU_ASSERT(IN6_IS_ADDR_UNSPECIFIED(&a));
        bad("not an IP address");
        free(text);
    }
}

static void
test_uuids_and_macs(void)
{
    struct eth_addr ea;
    struct uuid uuid;

    read_text("{'u': '00000001-0000-0002-0000-000300000004',"
              " 'v': '00000001-0000-0002-0000-00030000000g',"
              " 'e': '02:00:00:00:00:01', 'f': '02:00:00:00:00'}");
    message_get_uuid(&m, "u", &uuid);
    CU_ASSERT_EQUAL(uuid.parts[3], 4);
    message_get_eth(&m, "e", &ea);
    good();
    message_get_uuid(&m, "v", &uuid);
    bad("not a UUID");
    message_get_eth(&m, "f", &ea);
    bad("not a MAC address");
}

static void
test_base64(void)
{
    static const char *const odd[] = {
        "A",    "AA",   "AAA",  "A===",    "====",   "=AAA", "AA=A",
        "    ", "A A=", "AAA*", "AAAA\\n", "\\nAA=", "-_==", "==AA",
    };
    uint8_t bytes[8];
    uint8_t *blob;
    size_t n;

    for (size_t size = 0; size <= sizeof bytes; size++) {
        json_destroy(json);
        json = json_object_create();
        memset(bytes, 0xa0 + size, sizeof bytes);
        message_put_bytes(json, "b", bytes, size);
        m = (struct message) MESSAGE_INITIALIZER(json);
        blob = message_get_blob(&m, "b", size, &n);
        good();
        CU_ASSERT_EQUAL(n, size);
        CU_ASSERT(!memcmp(blob, bytes, size));
        free(blob);
        memset(bytes, 0, sizeof bytes);
        message_get_bytes(&m, "b", bytes, size);
        good();
        CU_ASSERT(!size || bytes[size - 1] == 0xa0 + size);
        if (size) {
            free(message_get_blob(&m, "b", size - 1, &n));
            bad("longer than");
            message_get_bytes(&m, "b", bytes, size - 1);
            bad("");
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        char *text = xasprintf("{'a': '%s'}", odd[i]);

        read_text(text);
        blob = message_get_blob(&m, "a", 3, &n);
        CU_ASSERT(n <= 3);
        free(blob);
        free(message_finish(&m));
        free(text);
    }
}

static void
test_arrays(void)
{
    read_text("{'a': [1, 2], 'o': {}}");
    CU_ASSERT_EQUAL(message_get_array(&m, "a", 2)->n, 2);
    CU_ASSERT_PTR_NOT_NULL(message_get_object(&m, "o"));
    good();
    CU_ASSERT_EQUAL(message_get_array(&m, "a", 1)->n, 0);
    bad("more than 1 elements");
    CU_ASSERT_EQUAL(message_get_array(&m, "o", 1)->n, 0);
    bad("expected array");
    CU_ASSERT_PTR_NULL(message_get_object(&m, "a"));
    bad("expected object");
}

static void
test_writing(void)
{
    struct in6_addr address;
    char *s;

    json_destroy(json);
    json = json_object_create();
    in6_addr_set_mapped_ipv4(&address, htonl(0x0a010001));
    message_put_address(json, "a", &address);
    message_put_prefix(json, "b", &address, 120);
    message_put_boolean(json, "c", true);
    message_put_eth(json, "d", eth_addr_broadcast);
    message_put_integer(json, "e", INT64_MAX);
    message_put_uuid(json, "f", &(struct uuid){ { 1, 2, 3, 4 } });
    s = json_to_string(json, JSSF_SORT);
    CU_ASSERT_STRING_EQUAL(s, "{\"a\":\"10.1.0.1\",\"b\":\"10.1.0.1/24\","
                              "\"c\":true,\"d\":\"ff:ff:ff:ff:ff:ff\","
                              "\"e\":9223372036854775807,\"f\":"
                              "\"00000001-0000-0002-0000-000300000004\"}");
    free(s);
    json_destroy(json);
    json = NULL;
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "strings", test_strings },
        { "lines", test_lines },
        { "first error stays", test_first_error_stays },
        { "not an object", test_not_an_object },
        { "names", test_names },
        { "integers", test_integers },
        { "booleans", test_booleans },
        { "addresses", test_addresses },
        { "UUIDs and MACs", test_uuids_and_macs },
        { "base64", test_base64 },
        { "arrays", test_arrays },
        { "writing", test_writing },
    };

    return unit_run("message", tests, ARRAY_SIZE(tests));
}
