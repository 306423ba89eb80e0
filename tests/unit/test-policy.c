/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "policy.h"
#include "yaml-reader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"
#include "unit.h"

/* Sections of a policy that is good, to put a bad one after. */
#define CONTROLLER "controller: {devices: [\"pssl:6654\"]}\n"
#define BRIDGE                                \
    "bridges:\n"                              \
    "  br-home:\n"                            \
    "    datapath-id: \"0000000000000001\"\n" \
    "    subnets: [10.1.0.0/24, fd00:1::/64]\n"
#define DEVICES "devices: {laptop: {groups: [room]}, tv: {}}\n"
#define SERVICES "services: {files: {devices: [\"*\"], user: any}}\n"
#define GOOD CONTROLLER BRIDGE DEVICES SERVICES

static struct policy *
load(const char *text)
{
    char *error;
    struct policy *policy = policy_load_text("p.yaml", text, strlen(text),
                                             &error);

    if (!policy) {
        printf("unexpected: %s\n", error);
        free(error);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(policy);
    return policy;
}

/* 'text' must be refused with "p.yaml:PLACE: MESSAGE". */
static void
refuse(const char *text, const char *place, const char *message)
{
    char *error;
    struct policy *policy = policy_load_text("p.yaml", text, strlen(text),
                                             &error);
    char *expected = xasprintf("p.yaml:%s%s %s", place, place[0] ? ":" : "",
                               message);

    CU_ASSERT_PTR_NULL(policy);
    if (policy) {
        printf("not refused: %s\n", text);
        policy_destroy(policy);
    } else {
        if (strcmp(error, expected)) {
            printf("text:     %s\nexpected: %s\ngot:      %s\n", text,
                   expected, error);
        }
        CU_ASSERT_STRING_EQUAL(error, expected);
        free(error);
    }
    free(expected);
}

static struct in6_addr
addr(const char *s)
{
    struct in6_addr a;
    ovs_be32 ip4;

    if (inet_pton(AF_INET, s, &ip4) == 1) {
        in6_addr_set_mapped_ipv4(&a, ip4);
    } else {
        CU_ASSERT_EQUAL_FATAL(inet_pton(AF_INET6, s, &a), 1);
    }
    return a;
}

/* What is good. */

static void
test_whole(void)
{
    struct policy *policy = load(
        "controller:\n"
        "  devices: [\"pssl:6654:10.0.0.1\", \"pssl:6655:[fd00::1]\"]\n"
        "  bridges: [\"punix:/run/x.sock\", \"ptcp:6653:127.0.0.1\"]\n"
        "bridges:\n"
        "  br-home:\n"
        "    datapath-id: \"00000000000000ff\"\n"
        "    target: \"unix:/run/br-home.mgmt\"\n"
        "    subnets: [10.1.0.0/24, fd00:1::/64]\n"
        "    first-table: 10\n"
        "    forward-table: 30\n"
        "  br-far: {datapath-id: \"0000000000000002\"}\n"
        "pools:\n"
        "  v4: {bridge: br-home, prefix: 10.1.0.128/25, block: 28,\n"
        "       lease: 100, rest: 7}\n"
        "  v6: {bridge: br-home, prefix: \"fd00:1::5:0/112\"}\n"
        "  small: {bridge: br-home, prefix: 10.1.0.64/30}\n"
        "devices:\n"
        "  laptop: {groups: [room, mobile], bridge: br-home, port: p1}\n"
        "  tv: {groups: [room]}\n"
        "services:\n"
        "  files: {devices: [laptop, \"@room\"], user: any,\n"
        "          command: [/usr/bin/x, \"1\"]}\n"
        "  calls: {devices: [tv], user: www-data}\n"
        "moves:\n"
        "  - {from: laptop, to: tv, service: calls, allow: false}\n"
        "  - {from: \"*\", to: \"@room\", allow: true}\n"
        "limits: {introductions: 1, introduction-rate: 5, offers: 2, sessions: 3,\n"
        "  user-sessions: 6, packet-ins: 4,\n"
        "         state-bytes: 65536}\n"
        "detection: {probes: 0, interval-ms: 5}\n"
        "associations: {lifetime: 60}\n");

    CU_ASSERT_EQUAL(sset_count(&policy->devices_listen), 2);
    CU_ASSERT(sset_contains(&policy->bridges_listen, "punix:/run/x.sock"));

    const struct policy_bridge *home = shash_find_data(&policy->bridges,
                                                       "br-home");
    const struct policy_bridge *far = shash_find_data(&policy->bridges,
                                                      "br-far");
    CU_ASSERT_EQUAL(home->datapath_id, 0xff);
    CU_ASSERT_STRING_EQUAL(home->target, "unix:/run/br-home.mgmt");
    CU_ASSERT_EQUAL(home->n_subnets, 2);
    CU_ASSERT_EQUAL(home->subnets[0].plen, 120);
    CU_ASSERT_EQUAL(home->subnets[1].plen, 64);
    CU_ASSERT_EQUAL(home->first_table, 10);
    CU_ASSERT_EQUAL(home->forward_table, 30);
    CU_ASSERT_PTR_NULL(far->target);
    CU_ASSERT_EQUAL(far->n_subnets, 0);
    CU_ASSERT_EQUAL(far->first_table, 0);
    CU_ASSERT_EQUAL(far->forward_table, -1);

    const struct policy_pool *v4 = shash_find_data(&policy->pools, "v4");
    const struct policy_pool *v6 = shash_find_data(&policy->pools, "v6");
    const struct policy_pool *small = shash_find_data(&policy->pools, "small");
    CU_ASSERT_PTR_EQUAL(v4->bridge, home);
    CU_ASSERT_EQUAL(v4->prefix.plen, 121);
    CU_ASSERT_EQUAL(v4->block_plen, 124);
    CU_ASSERT_EQUAL(v4->lease_s, 100);
    CU_ASSERT_EQUAL(v4->rest_s, 7);
    CU_ASSERT_EQUAL(v6->prefix.plen, 112);
    CU_ASSERT_EQUAL(v6->block_plen, 124);
    CU_ASSERT_EQUAL(v6->lease_s, 3600);
    CU_ASSERT_EQUAL(v6->rest_s, 60);
    CU_ASSERT_EQUAL(small->block_plen, 126);

    const struct policy_device *laptop = shash_find_data(&policy->devices,
                                                         "laptop");
    CU_ASSERT(sset_contains(&laptop->groups, "mobile"));
    CU_ASSERT_STRING_EQUAL(laptop->bridge, "br-home");
    CU_ASSERT_STRING_EQUAL(laptop->port, "p1");

    const struct policy_service *files = shash_find_data(&policy->services,
                                                         "files");
    const struct policy_service *calls = shash_find_data(&policy->services,
                                                         "calls");
    CU_ASSERT(files->any_user);
    CU_ASSERT_PTR_NULL(files->user);
    CU_ASSERT_STRING_EQUAL(files->command[0], "/usr/bin/x");
    CU_ASSERT_STRING_EQUAL(files->command[1], "1");
    CU_ASSERT_PTR_NULL(files->command[2]);
    CU_ASSERT(!calls->any_user);
    CU_ASSERT_STRING_EQUAL(calls->user, "www-data");
    CU_ASSERT_PTR_NULL(calls->command);

    CU_ASSERT_EQUAL(policy->n_rules, 2);
    CU_ASSERT_STRING_EQUAL(policy->rules[1].service, "*");
    CU_ASSERT_EQUAL(policy->limits.introductions, 1);
    CU_ASSERT_EQUAL(policy->limits.offers, 2);
    CU_ASSERT_EQUAL(policy->limits.sessions, 3);
    CU_ASSERT_EQUAL(policy->limits.introduction_rate, 5);
    CU_ASSERT_EQUAL(policy->limits.user_sessions, 6);
    CU_ASSERT_EQUAL(policy->limits.packet_ins, 4);
    CU_ASSERT_EQUAL(policy->limits.state_bytes, 65536);
    CU_ASSERT_EQUAL(policy->dad_probes, 0);
    CU_ASSERT_EQUAL(policy->dad_interval_ms, 5);
    CU_ASSERT_EQUAL(policy->sa_lifetime_s, 60);
    policy_destroy(policy);
}

static void
test_defaults(void)
{
    struct policy *policy = load(CONTROLLER);

    CU_ASSERT_EQUAL(policy->limits.introductions, 64);
    CU_ASSERT_EQUAL(policy->limits.offers, 64);
    CU_ASSERT_EQUAL(policy->limits.sessions, 4096);
    CU_ASSERT_EQUAL(policy->limits.packet_ins, 1000);
    CU_ASSERT_EQUAL(policy->limits.state_bytes, 67108864);
    CU_ASSERT_EQUAL(policy->dad_probes, 3);
    CU_ASSERT_EQUAL(policy->dad_interval_ms, 200);
    CU_ASSERT_EQUAL(policy->sa_lifetime_s, 3600);
    policy_destroy(policy);
}

/* Sections may come in any order: names are looked for in all of the file. */
static void
test_order(void)
{
    policy_destroy(load("moves: [{from: laptop, to: \"@room\", service: "
                        "files, allow: true}]\n" SERVICES DEVICES
                        "pools: {v4: {bridge: br-home, "
                        "prefix: 10.1.0.0/24}}\n" BRIDGE CONTROLLER));
}

/* Questions to a policy. */

static void
check_onward(const struct policy *policy, const char *from, const char *to,
             const char *expected)
{
    char onward[ONWARD_STRING_LEN];

    onward_to_string(policy_onward(policy, from, to, "files"), onward);
    CU_ASSERT_STRING_EQUAL(onward, expected);
}

static void
check_move(const struct policy *policy, const char *from, const char *to,
           const char *service, const char *expected)
{
    char *why;
    bool allowed = policy_may_move(policy, from, to, service, &why);

    CU_ASSERT_EQUAL(allowed, !expected);
    CU_ASSERT_EQUAL(policy_may_move(policy, from, to, service, NULL),
                    !expected);
    if (expected && why) {
        if (!strstr(why, expected)) {
            printf("expected: %s\ngot:      %s\n", expected, why);
        }
        CU_ASSERT_PTR_NOT_NULL(strstr(why, expected));
    } else {
        CU_ASSERT_EQUAL(!why, !expected);
    }
    free(why);
}

static void
test_may_move(void)
{
    struct policy *policy = load(
        CONTROLLER
        "devices: {laptop: {groups: [room]}, tv: {groups: [room]},\n"
        "          phone: {}}\n"
        "services:\n"
        "  files: {devices: [\"*\"], user: any}\n"
        "  calls: {devices: [phone], user: any}\n"
        "moves:\n"
        "  - {from: phone, to: tv, service: files, allow: false}\n"
        "  - {from: \"*\", to: \"@room\", service: files, allow: true,\n"
        "     onward: \"group:2\"}\n"
        "  - {from: \"@room\", to: phone, allow: true}\n");

    check_move(policy, "laptop", "tv", "files", NULL);
    check_move(policy, "phone", "laptop", "files", NULL);
    check_move(policy, "phone", "tv", "files", "entry 1 of \"moves\"");
    check_move(policy, "tv", "phone", "calls", NULL);
    check_move(policy, "tv", "phone", "", NULL);
    check_move(policy, "tv", "phone", NULL, NULL);
    check_move(policy, "phone", "tv", "", "nothing in the policy's");
    check_move(policy, "laptop", "tv", "calls", "does not let service calls");
    check_move(policy, "laptop", "tv", "nope", "service nope is not");
    check_move(policy, "laptop", "radio", "files", "device radio is not");
    check_move(policy, "radio", "laptop", "files", "device radio is not");
    check_move(policy, "tv", "tv", "files", "has the session already");

    check_onward(policy, "laptop", "tv", "group:2");
    check_onward(policy, "tv", "phone", "any");
    check_onward(policy, "phone", "tv", "none"); /* Does not move. */
    check_onward(policy, "tv", "radio", "none");
    CU_ASSERT(policy_share_group(policy, "laptop", "tv"));
    CU_ASSERT(!policy_share_group(policy, "laptop", "phone"));
    CU_ASSERT(!policy_share_group(policy, "laptop", "radio"));

    CU_ASSERT(policy_covers(policy, "*", "tv"));
    CU_ASSERT(!policy_covers(policy, "*", "radio"));
    CU_ASSERT(policy_covers(policy, "@room", "tv"));
    CU_ASSERT(!policy_covers(policy, "@room", "phone"));
    CU_ASSERT(policy_covers(policy, "tv", "tv"));
    CU_ASSERT(!policy_covers(policy, "tv", "laptop"));
    policy_destroy(policy);

    /* No rules at all: nothing moves. */
    policy = load(GOOD);
    check_move(policy, "laptop", "tv", "files", "nothing in the policy's");
    policy_destroy(policy);
}

static void
test_prefix(void)
{
    struct policy *policy = load(CONTROLLER BRIDGE);
    const struct policy_bridge *home = shash_find_data(&policy->bridges,
                                                       "br-home");
    static const struct {
        const char *addr;
        bool v4, v6;
    } cases[] = {
        { "10.1.0.0", true, false },
        { "10.1.0.255", true, false },
        { "10.1.1.0", false, false },
        { "fd00:1::", false, true },
        { "fd00:1::ffff:ffff:ffff:ffff", false, true },
        { "fd00:1:0:1::", false, false },
        { "::a01:0", false, false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct in6_addr a = addr(cases[i].addr);
        CU_ASSERT_EQUAL(policy_prefix_contains(&home->subnets[0], &a),
                        cases[i].v4);
        CU_ASSERT_EQUAL(policy_prefix_contains(&home->subnets[1], &a),
                        cases[i].v6);
    }

    char *s = policy_prefix_to_string(&home->subnets[0]);
    CU_ASSERT_STRING_EQUAL(s, "10.1.0.0/24");
    free(s);
    s = policy_prefix_to_string(&home->subnets[1]);
    CU_ASSERT_STRING_EQUAL(s, "fd00:1::/64");
    free(s);
    policy_destroy(policy);
}

#define TUNNEL(TEXT)                                                 \
    CONTROLLER "bridges:\n  b: {datapath-id: \"0000000000000001\", " \
               "subnets: [10.1.0.0/24, \"fd00:1::/64\"], " TEXT "}\n"

#define MOVABLE(TEXT)                                                \
    CONTROLLER BRIDGE                                                \
        "devices: {laptop: {groups: [room], permanent: {addresses: " \
        "[10.1.0.11, \"fd00:1::11\"]}}, tv: {groups: [room]}}\n"     \
        "services: {files: {devices: [\"*\"], user: any}}\n"         \
        "movable:\n" TEXT

static void
test_movable(void)
{
    const char *text = MOVABLE(
        "  web: {devices: [\"@room\"], protocol: tcp, port: 80,"
        " service: files}\n"
        "  dns: {devices: [laptop], protocol: udp, port: 53, service: files,"
        " address: 10.1.0.11, idle: 30, half-open-idle: 5, sessions: 10,"
        " half-open: 3, per-source: 2, rate: 7, ready: 16}\n");
    const struct policy_movable *web, *dns;
    struct in6_addr own4, own6;
    struct policy *policy;
    char *error;

    policy = policy_load_text("p.yaml", text, strlen(text), &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(policy);
    in6_addr_set_mapped_ipv4(&own4, htonl(0x0a01000b));
    CU_ASSERT_FATAL(ipv6_parse("fd00:1::11", &own6));
    web = shash_find_data(&policy->movables, "web");
    dns = shash_find_data(&policy->movables, "dns");
    CU_ASSERT_FATAL(web && dns);
    CU_ASSERT_EQUAL(web->protocol, IPPROTO_TCP);
    CU_ASSERT_EQUAL(web->idle_s, 7200);
    CU_ASSERT_EQUAL(web->half_open_s, 10);
    CU_ASSERT_EQUAL(web->ready, 32);
    CU_ASSERT(policy_movable_is_at(policy, web, "laptop", &own4));
    CU_ASSERT(policy_movable_is_at(policy, web, "laptop", &own6));
    CU_ASSERT_EQUAL(dns->protocol, IPPROTO_UDP);
    CU_ASSERT_EQUAL(dns->port, 53);
    CU_ASSERT_EQUAL(dns->idle_s, 30);
    CU_ASSERT_EQUAL(dns->half_open_s, 5);
    CU_ASSERT_EQUAL(dns->sessions, 10);
    CU_ASSERT_EQUAL(dns->half_open, 3);
    CU_ASSERT_EQUAL(dns->per_source, 2);
    CU_ASSERT_EQUAL(dns->rate, 7);
    CU_ASSERT_EQUAL(dns->ready, 16);
    CU_ASSERT_STRING_EQUAL(dns->service, "files");
    CU_ASSERT(policy_movable_is_at(policy, dns, "laptop", &own4));
    CU_ASSERT(!policy_movable_is_at(policy, dns, "laptop", &own6));
    CU_ASSERT(!policy_movable_is_at(policy, dns, "tv", &own4));
    policy_destroy(policy);
}

static void
test_movable_errors(void)
{
    refuse(MOVABLE("  w: {devices: [tv], protocol: tcp, port: 80,"
                   " service: files}\n"),
           "9:17",
           "device tv has no address of its own in the policy; expected "
           "\"permanent\" there");
    refuse(MOVABLE("  w: {devices: [laptop], protocol: sctp, port: 80,"
                   " service: files}\n"),
           "9:36",
           "protocol \"sctp\" cannot be translated; expected tcp or udp");
    refuse(MOVABLE("  w: {devices: [laptop], protocol: tcp, port: 80,"
                   " service: files, address: 10.1.0.12}\n"),
           "9:76",
           "address \"10.1.0.12\" is not a permanent one of these devices; "
           "expected one of those");
    refuse(MOVABLE("  v: {devices: [laptop], protocol: tcp, port: 80,"
                   " service: files}\n"
                   "  w: {devices: [\"*\"], protocol: tcp, port: 80,"
                   " service: files}\n"),
           "10:44",
           "port 80 is movable service v's at one of these addresses; "
           "expected one service there");
}

static void
test_tunnel(void)
{
    struct policy *policy = load(
        TUNNEL("gateways: [10.1.0.1, \"fe80::1\"], tunnel: {address: "
               "10.1.0.3}"));
    const struct policy_bridge *b = shash_find_data(&policy->bridges, "b");

    CU_ASSERT_EQUAL(b->n_gateways, 2);
    CU_ASSERT_EQUAL(b->tunnel.type, POLICY_TUNNEL_VXLAN);
    CU_ASSERT_EQUAL(b->tunnel.udp_port, 4789);
    CU_ASSERT_STRING_EQUAL(b->tunnel.port_name, "baton-tun");
    CU_ASSERT_EQUAL(policy_tunnel_payload(&b->tunnel), 1450);
    policy_destroy(policy);

    policy = load(
        TUNNEL("tunnel: {type: gre, address: \"fd00::3\", mtu: 9000, "
               "port-name: t}"));
    b = shash_find_data(&policy->bridges, "b");
    CU_ASSERT_EQUAL(b->tunnel.type, POLICY_TUNNEL_GRE);
    CU_ASSERT_EQUAL(b->tunnel.udp_port, 0);
    CU_ASSERT_EQUAL(policy_tunnel_payload(&b->tunnel), 9000 - 40 - 8 - 14);
    policy_destroy(policy);

    policy = load(TUNNEL("first-table: 0"));
    b = shash_find_data(&policy->bridges, "b");
    CU_ASSERT_EQUAL(b->tunnel.type, POLICY_TUNNEL_NONE);
    policy_destroy(policy);
}

/* What is refused. */

static void
test_yaml(void)
{
    refuse("", "", "empty; expected YAML");
    refuse("# nothing\n", "", "empty; expected YAML");
    refuse("controller: [", "2:1",
           "not valid YAML: did not find expected node content");
    refuse("a: 1\n\tb: 2\n", "2:1",
           "not valid YAML: found a tab "
           "character that violates indentation");
    refuse("a: \"\xff\"\n", "", "byte 4: invalid leading UTF-8 octet");
    refuse("\xff\xfe\x01", "", "byte 0: invalid leading UTF-8 octet");
    refuse(CONTROLLER "---\na: 1\n", "2:1",
           "a second document; expected one in a file");
    refuse("just a string\n", "1:1",
           "the policy is a single value; expected "
           "a map of keys and values");
    refuse("- a\n- b\n", "1:1",
           "the policy is a list; expected a map of keys and values");
    refuse("a: \"x\\0y\"\n", "1:4", "a null character in a string");
    refuse("{[a]: 1}\n", "1:2", "a key is a list; expected a name");
    refuse("? {a: 1}\n: 1\n", "1:3",
           "a key is a map of keys and values; "
           "expected a name");
}

static void
test_anchors(void)
{
    refuse(CONTROLLER "devices: &d {}\n", "2:10",
           "anchor \"&d\" is not "
           "taken here; write the value in full wherever it is wanted");
    refuse(CONTROLLER "moves: &m []\n", "2:8",
           "anchor \"&m\" is not taken "
           "here; write the value in full wherever it is wanted");
    refuse("a: &a x\nb: *a\n", "1:4",
           "anchor \"&a\" is not taken here; "
           "write the value in full wherever it is wanted");
    refuse(GOOD "moves: [{from: *laptop, to: tv, allow: true}]\n", "8:16",
           "alias \"*laptop\" is not taken here; write the value in full, or "
           "\"*\" in quotes for any");
    refuse("a: !!str 1\n", "1:4",
           "tag \"tag:yaml.org,2002:str\" is not "
           "taken here; expected a value without a tag");
    refuse("a: !mine {}\n", "1:4",
           "tag \"!mine\" is not taken here; "
           "expected a value without a tag");

    /* The "billion laughs" end at the first anchor. */
    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_cstr(&s, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 10; i++) {
        ds_put_format(&s, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++) {
            ds_put_format(&s, "*a%d,", i - 1);
        }
        ds_put_cstr(&s, "]\n");
    }
    refuse(ds_cstr(&s), "1:5",
           "anchor \"&a0\" is not taken here; write the "
           "value in full wherever it is wanted");
    ds_destroy(&s);
}

static void
test_size(void)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&s, "a: ");
    ds_put_char_multiple(&s, '[', 1000);
    refuse(ds_cstr(&s), "1:20",
           "nested too deeply; expected at most 16 "
           "levels");

    ds_clear(&s);
    ds_put_cstr(&s, "a: [");
    for (int i = 0; i < YAML_READER_MAX_ITEMS; i++) {
        ds_put_cstr(&s, "1,");
    }
    refuse(ds_cstr(&s), "1:1999999",
           "too many values; expected at most 1000000");
    ds_destroy(&s);
}

static void
test_device_tunnel(void)
{
    struct policy *policy = load(
        CONTROLLER "bridges: {b: {datapath-id: \"0000000000000001\",\n"
                   "  subnets: [10.1.0.0/24]}}\n"
                   "pools: {p: {bridge: b, prefix: 10.1.0.128/25}}\n"
                   "devices:\n"
                   "  phone: {tunnel: {addresses: [10.8.0.0/16,"
                   " \"fd00:8::/32\"]}}\n"
                   "  tv: {}\n");
    struct in6_addr in = addr("10.8.13.2"), in6 = addr("fd00:8:13::2");
    struct in6_addr out = addr("10.9.13.2");

    CU_ASSERT_TRUE(policy_may_tunnel(policy, "phone", &in));
    CU_ASSERT_TRUE(policy_may_tunnel(policy, "phone", &in6));
    CU_ASSERT_FALSE(policy_may_tunnel(policy, "phone", &out));
    CU_ASSERT_FALSE(policy_may_tunnel(policy, "tv", &in));
    CU_ASSERT_FALSE(policy_may_tunnel(policy, "nobody", &in));
    policy_destroy(policy);

    refuse(CONTROLLER "devices: {a: {tunnel: {}}}\n", "2:23",
           "a device's tunnel has no \"addresses\"; expected one");
    refuse(CONTROLLER "devices: {a: {tunnel: {address: 10.8.0.0/16}}}\n",
           "2:24",
           "unknown key \"address\" in a device's tunnel; expected addresses");
    refuse(CONTROLLER "bridges: {b: {datapath-id: \"0000000000000001\",\n"
                      "  subnets: [10.1.0.0/24]}}\n"
                      "pools: {p: {bridge: b, prefix: 10.1.0.128/25}}\n"
                      "devices: {a: {tunnel: {addresses: [10.1.0.0/16]}}}\n",
           "5:36",
           "addresses \"10.1.0.0/16\" overlap pool p; expected addresses that "
           "no session gets");
}

#define LANS                                                        \
    CONTROLLER "bridges: {b: {datapath-id: \"0000000000000001\",\n" \
               "  subnets: [10.2.0.0/24]}}\n"                       \
               "lans: {l: {subnets: [10.1.0.0/24, \"fd00:1::/64\"]}}\n"

static void
test_lan(void)
{
    struct policy *policy = load(
        LANS "pools: {p: {lan: l, prefix: 10.1.0.128/25},\n"
             "  q: {bridge: b, prefix: 10.2.0.128/25}}\n"
             "devices: {tv: {lan: l, permanent: {addresses: [10.1.0.2]}}}\n");
    const struct policy_bridge *lan = policy_find_lan(policy, "l");
    const struct policy_pool *pool = shash_find_data(&policy->pools, "p");
    const struct policy_device *tv = shash_find_data(&policy->devices, "tv");
    struct in6_addr in = addr("10.1.0.7"), out = addr("10.2.0.7");

    CU_ASSERT_PTR_NOT_NULL_FATAL(lan);
    CU_ASSERT_FALSE(lan->lan_by_policy);
    CU_ASSERT_EQUAL(lan->n_subnets, 2);
    CU_ASSERT_TRUE(policy_bridge_contains(lan, &in));
    CU_ASSERT_FALSE(policy_bridge_contains(lan, &out));
    CU_ASSERT_PTR_EQUAL(pool->bridge, lan);
    CU_ASSERT_STRING_EQUAL(tv->bridge, "l");
    CU_ASSERT_PTR_NULL(policy_find_lan(policy, "b"));
    CU_ASSERT_PTR_NULL(policy_find_lan(policy, "x"));
    policy_destroy(policy);

    policy = load(CONTROLLER "lans: {l: {subnets: [10.1.0.0/24], "
                             "proof: policy}}\n");
    CU_ASSERT_TRUE(policy_find_lan(policy, "l")->lan_by_policy);
    policy_destroy(policy);
}

static void
test_lan_errors(void)
{
    refuse(CONTROLLER "lans: {l: {}}\n", "2:11",
           "a lan has no \"subnets\"; expected one");
    refuse(CONTROLLER "lans: {l: {subnets: [10.1.0.0/24], proof: x}}\n",
           "2:43", "\"x\" is no proof; expected subnet or policy");
    refuse(LANS "pools: {p: {prefix: 10.1.0.128/25}}\n", "5:12",
           "a pool has neither bridge nor lan; expected one of them");
    refuse(LANS "pools: {p: {bridge: l, prefix: 10.1.0.128/25}}\n", "5:21",
           "\"l\" is a lan; expected \"lan: l\"");
    refuse(LANS "pools: {p: {lan: b, prefix: 10.2.0.128/25}}\n", "5:18",
           "\"b\" is a bridge; expected \"bridge: b\"");
    refuse(LANS "pools: {p: {lan: x, prefix: 10.2.0.128/25}}\n", "5:18",
           "no lan is named \"x\"; expected a name from \"lans\"");
    refuse(LANS "devices: {tv: {lan: l, bridge: b}}\n", "5:21",
           "a device has both bridge and lan; expected one of them");
    refuse(LANS "devices: {tv: {lan: l, port: p}}\n", "5:30",
           "port without a bridge; expected \"bridge\" beside it");
    refuse(LANS "pools: {p: {lan: l, prefix: 10.2.0.0/25}}\n", "5:29",
           "prefix \"10.2.0.0/25\" is in none of lan l's subnets; expected a "
           "part of one");
    refuse(LANS "devices: {tv: {permanent: {move: true, "
                "addresses: [10.1.0.2]}}}\n",
           "5:52",
           "address \"10.1.0.2\" is on lan l, and cannot be taken back there "
           "from a device that keeps it; expected \"move: false\"");
    refuse(CONTROLLER "bridges: {b: {datapath-id: \"0000000000000001\"}}\n"
                      "lans: {b: {subnets: [10.1.0.0/24]}}\n",
           "3:11", "\"b\" is a bridge; expected another name");
    refuse(CONTROLLER "lans: {l: {subnets: [10.1.0.0/24]},\n"
                      "  m: {subnets: [10.1.0.0/16]}}\n",
           "3:17",
           "subnet \"10.1.0.0/16\" overlaps 10.1.0.0/24 of lan l; expected "
           "subnets that do not overlap");
}

static void
test_names_zone(void)
{
    struct policy *policy = load(
        CONTROLLER "names: {zone: Move.example, listen: [10.1.0.4, "
                   "\"fd00::4\"],\n"
                   "  port: 5353, others: 10.1.0.1, ttl: 0, unused: 9,\n"
                   "  per-source: 3, rate: 7}\n");
    const struct policy_names *names = policy->names;
    struct in6_addr other = addr("10.1.0.1"), second = addr("fd00::4");

    CU_ASSERT_PTR_NOT_NULL_FATAL(names);
    CU_ASSERT_STRING_EQUAL(names->zone, "Move.example");
    CU_ASSERT_EQUAL_FATAL(names->n_listen, 2);
    CU_ASSERT_TRUE(ipv6_addr_equals(&names->listen[1], &second));
    CU_ASSERT_EQUAL(names->port, 5353);
    CU_ASSERT_TRUE(names->forwards);
    CU_ASSERT_TRUE(ipv6_addr_equals(&names->forward_to, &other));
    CU_ASSERT_EQUAL(names->ttl_s, 0);
    CU_ASSERT_EQUAL(names->unused_s, 9);
    CU_ASSERT_EQUAL(names->per_source, 3);
    CU_ASSERT_EQUAL(names->rate, 7);
    policy_destroy(policy);

    policy = load(CONTROLLER "names: {zone: m, listen: [10.1.0.4], "
                             "others: refuse}\n");
    CU_ASSERT_FALSE(policy->names->forwards);
    CU_ASSERT_EQUAL(policy->names->port, 53);
    policy_destroy(policy);

    policy = load(CONTROLLER "names: {zone: m, answer: device}\n");
    CU_ASSERT_TRUE(policy->names->by_device);
    CU_ASSERT_EQUAL(policy->names->n_listen, 0);
    policy_destroy(policy);

    refuse(CONTROLLER "names: {zone: m, answer: nobody}\n", "2:26",
           "\"nobody\" does not answer; expected controller or device");
    refuse(CONTROLLER "names: {zone: m}\n", "2:8",
           "names has no \"listen\"; expected one");
    refuse(CONTROLLER "names: {zone: m, answer: device, others: refuse}\n",
           "2:42",
           "devices answer at their permanent addresses, and refuse all else; "
           "expected neither listen nor others");
    refuse(CONTROLLER "names: {listen: [10.1.0.4]}\n", "2:8",
           "names has no \"zone\"; expected one");
    refuse(CONTROLLER "names: {zone: a..b, listen: [10.1.0.4]}\n", "2:15",
           "zone \"a..b\" is not one; expected names of letters, digits and "
           "hyphens with dots between them");
    refuse(CONTROLLER "names: {zone: m, listen: []}\n", "2:26",
           "listen is empty; expected addresses of the controller's host");
    refuse(CONTROLLER "names: {zone: m, listen: [x]}\n", "2:27",
           "address \"x\" is not one; expected an IPv4 or IPv6 address");
    refuse(CONTROLLER "names: {zone: m, listen: [10.1.0.4], others: x}\n",
           "2:46",
           "others (if not \"refuse\") \"x\" is not one; expected an IPv4 or "
           "IPv6 address");
    refuse(CONTROLLER "names: {zone: m, listen: [10.1.0.4], ttl: 5, "
                      "unused: 5}\n",
           "2:8",
           "unused (5 s) is not more than ttl (5 s): addresses would be taken "
           "back from those who still know them");
}

static void
test_keys(void)
{
    refuse(
        CONTROLLER "colour: red\n", "2:1",
        "unknown key \"colour\" in the "
        "policy; expected controller, bridges, lans, pools, devices, services, "
        "moves, movable, names, limits, detection or associations");
    refuse("controller: {devices: [\"pssl:1\"], devises: []}\n", "1:35",
           "unknown key \"devises\" in controller; expected devices or "
           "bridges");
    refuse(TUNNEL("tunnel: {type: ipip, address: 10.1.0.3}"), "3:94",
           "\"ipip\" is no type of tunnel; expected vxlan, geneve or gre");
    refuse(TUNNEL("tunnel: {type: gre, address: 10.1.0.3, udp-port: 1}"),
           "3:128", "GRE has no ports; expected no udp-port");
    refuse(TUNNEL("tunnel: {address: here}"), "3:97",
           "address \"here\" is not one; expected an IPv4 or IPv6 address");
    refuse(TUNNEL("gateways: [192.0.2.1]"), "3:90",
           "gateway \"192.0.2.1\" is in none of bridge b's subnets; expected "
           "a neighbour of its devices");
    refuse(
        TUNNEL(
            "tunnel: {address: 10.1.0.130}") "pools:\n"
                                             "  p: {bridge: b, prefix: 10.1.0.128/25}\n",
        "5:26",
        "prefix \"10.1.0.128/25\" has the end of bridge b's tunnels in it; "
        "expected session addresses only");
    refuse(CONTROLLER "bridges: {b: {dpid: \"1\"}}\n", "2:15",
           "unknown key "
           "\"dpid\" in a bridge; expected datapath-id, target, subnets, "
           "first-table, forward-table, ovsdb, gateways or tunnel");
    refuse(CONTROLLER "pools:\n  p:\n    size: 3\n", "4:5",
           "unknown key "
           "\"size\" in a pool; expected bridge, lan, prefix, block, lease or "
           "rest");
    refuse(CONTROLLER "devices: {tv: {group: x}}\n", "2:16",
           "unknown key "
           "\"group\" in a device; expected groups, bridge, lan, port, "
           "permanent or tunnel");
    refuse(CONTROLLER "services: {s: {users: x}}\n", "2:16",
           "unknown key "
           "\"users\" in a service; expected devices, user or command");
    refuse(CONTROLLER "moves: [{what: x}]\n", "2:10",
           "unknown key \"what\" "
           "in a move; expected from, to, service, allow or onward");
    refuse(GOOD "moves: [{from: laptop, to: laptop, allow: true, "
                "onward: \"any:0\"}]\n",
           "8:57",
           "onward \"any:0\" is no right to pass on; expected none, back, "
           "group, any, or group:N, any:N with N from 1 to 254");
    refuse(CONTROLLER "limits: {moves: 1}\n", "2:10",
           "unknown key \"moves\" "
           "in limits; expected introductions, introduction-rate, offers, "
           "sessions, user-sessions, packet-ins or state-bytes");
    refuse(CONTROLLER "detection: {x: 1}\n", "2:13",
           "unknown key \"x\" in "
           "detection; expected probes or interval-ms");
    refuse(CONTROLLER "associations: {x: 1}\n", "2:16",
           "unknown key \"x\" "
           "in associations; expected lifetime");

    refuse(CONTROLLER CONTROLLER, "2:1",
           "key \"controller\" is there twice; expected it once");
    refuse(CONTROLLER "devices:\n  tv: {}\n  \"tv\": {}\n", "4:3",
           "key \"tv\" is there twice; expected it once");

    refuse("devices: {}\n", "1:1",
           "the policy has no \"controller\"; expected one");
    refuse("controller: {}\n", "1:13",
           "controller has no \"devices\"; expected one");
    refuse(CONTROLLER "bridges: {b: {}}\n", "2:14",
           "a bridge has no \"datapath-id\"; expected one");
    refuse(CONTROLLER BRIDGE "pools: {p: {bridge: br-home}}\n", "6:12",
           "a pool has no \"prefix\"; expected one");
    refuse(CONTROLLER BRIDGE "pools: {p: {prefix: 10.1.0.0/25}}\n", "6:12",
           "a pool has neither bridge nor lan; expected one of them");
    refuse(CONTROLLER "services: {s: {user: any}}\n", "2:15",
           "a service has no \"devices\"; expected one");
    refuse(CONTROLLER "services: {s: {devices: []}}\n", "2:15",
           "a service has no \"user\"; expected one");
    refuse(CONTROLLER "moves: [{from: \"*\", to: \"*\"}]\n", "2:9",
           "a move has no \"allow\"; expected one");
    refuse(CONTROLLER "moves: [{from: \"*\", allow: true}]\n", "2:9",
           "a move has no \"to\"; expected one");
    refuse(CONTROLLER "moves: [{to: \"*\", allow: true}]\n", "2:9",
           "a move has no \"from\"; expected one");
}

static void
test_types(void)
{
    refuse("controller:\n", "1:12",
           "controller is empty; expected a map of keys and values");
    refuse(CONTROLLER "devices: [tv]\n", "2:10",
           "devices is a list; expected a map of keys and values");
    refuse(CONTROLLER "devices: {tv: }\n", "2:15",
           "a device is empty; expected a map of keys and values");
    refuse(CONTROLLER "devices: {tv: {groups: x}}\n", "2:24",
           "groups is a single value; expected a list");
    refuse(CONTROLLER "devices: {tv: {groups: [[x]]}}\n", "2:25",
           "group is a list; expected a string");
    refuse(CONTROLLER "devices: {tv: {groups: [1]}}\n", "2:25",
           "group is 1, which YAML takes for something else; expected a "
           "string, in quotes");
    refuse(CONTROLLER "devices: {tv: {groups: [yes]}}\n", "2:25",
           "group is yes, which YAML takes for something else; expected a "
           "string, in quotes");
    refuse(CONTROLLER "moves: {}\n", "2:8",
           "moves is a map of keys and values; expected a list");
    refuse(CONTROLLER "moves: [x]\n", "2:9",
           "a move is a single value; expected a map of keys and values");
    refuse(GOOD "moves: [{from: tv, to: tv, allow: yes}]\n", "8:35",
           "allow is yes; expected true or false");
    refuse(GOOD "moves: [{from: tv, to: tv, allow: \"true\"}]\n", "8:35",
           "allow is a string; expected true or false");
    refuse(GOOD "moves: [{from: tv, to: tv, allow: []}]\n", "8:35",
           "allow is a list; expected true or false");
    refuse(CONTROLLER "limits: 3\n", "2:9",
           "limits is a single value; expected a map of keys and values");
    refuse(CONTROLLER "limits: {offers: many}\n", "2:18",
           "offers is many; expected an integer from 1 to 100000");
    refuse(CONTROLLER "limits: {offers: \"3\"}\n", "2:18",
           "offers is a string; expected an integer from 1 to 100000");
    refuse(CONTROLLER "limits: {offers: 0}\n", "2:18",
           "offers is 0; expected an integer from 1 to 100000");
    refuse(CONTROLLER "limits: {offers: -1}\n", "2:18",
           "offers is -1; expected an integer from 1 to 100000");
    refuse(CONTROLLER "limits: {offers: 010}\n", "2:18",
           "offers is 010; expected an integer from 1 to 100000");
    refuse(CONTROLLER "limits: {offers: 1e3}\n", "2:18",
           "offers is 1e3; expected an integer from 1 to 100000");
    refuse(CONTROLLER "limits: {offers: 99999999999999999999}\n", "2:18",
           "offers is 99999999999999999999; expected an integer from 1 to "
           "100000");
    refuse(CONTROLLER "limits: {offers: }\n", "2:18",
           "offers is empty; expected an integer from 1 to 100000");
    refuse(CONTROLLER "limits: {offers: {}}\n", "2:18",
           "offers is a map of "
           "keys and values; expected an integer from 1 to 100000");
}

static void
test_names(void)
{
    refuse(CONTROLLER "devices: {\"my tv\": {}}\n", "2:11",
           "device "
           "\"my tv\" is not a name; expected 1 to 63 of A-Z a-z 0-9 . _ - "
           "that begin with neither . nor -");
    refuse(CONTROLLER "devices: {\"@tv\": {}}\n", "2:11",
           "device \"@tv\" is "
           "not a name; expected 1 to 63 of A-Z a-z 0-9 . _ - that begin "
           "with neither . nor -");
    refuse(CONTROLLER "devices: {\"\": {}}\n", "2:11",
           "device \"\" is not a "
           "name; expected 1 to 63 of A-Z a-z 0-9 . _ - that begin with "
           "neither . nor -");
    refuse(CONTROLLER "devices: {..: {}}\n", "2:11",
           "device \"..\" is not a "
           "name; expected 1 to 63 of A-Z a-z 0-9 . _ - that begin with "
           "neither . nor -");
    refuse(CONTROLLER "devices: {tv: {groups: [\"*\"]}}\n", "2:25",
           "group "
           "\"*\" is not a name; expected 1 to 63 of A-Z a-z 0-9 . _ - that "
           "begin with neither . nor -");

    char name[65];
    memset(name, 'x', sizeof name);
    name[64] = '\0';
    CU_ASSERT(!policy_name_is_valid(name));
    name[63] = '\0';
    CU_ASSERT(policy_name_is_valid(name));

    refuse(CONTROLLER BRIDGE "pools: {p: {bridge: br-away, "
                             "prefix: 10.1.0.0/24}}\n",
           "6:21",
           "no bridge is named "
           "\"br-away\"; expected a name from \"bridges\"");
    refuse(CONTROLLER BRIDGE "devices: {tv: {bridge: br-away}}\n", "6:24",
           "no bridge is named \"br-away\"; expected a name from "
           "\"bridges\"");
    refuse(CONTROLLER DEVICES "services: {s: {devices: [radio], "
                              "user: any}}\n",
           "3:26",
           "no device is named \"radio\"; expected "
           "a name from \"devices\", \"@GROUP\" or \"*\"");
    refuse(CONTROLLER DEVICES "services: {s: {devices: [\"@attic\"], "
                              "user: any}}\n",
           "3:26",
           "no device is in group \"attic\"; "
           "expected a group that a device names in \"groups\"");
    refuse(GOOD "moves: [{from: radio, to: tv, allow: true}]\n", "8:16",
           "no device is named \"radio\"; expected a name from \"devices\", "
           "\"@GROUP\" or \"*\"");
    refuse(GOOD "moves: [{from: tv, to: \"@attic\", allow: true}]\n", "8:24",
           "no device is in group \"attic\"; expected a group that a device "
           "names in \"groups\"");
    refuse(GOOD "moves: [{from: tv, to: tv, service: x, allow: true}]\n",
           "8:37",
           "no service is named \"x\"; expected a name from "
           "\"services\"");
}

static void
test_controller(void)
{
    refuse("controller: {devices: []}\n", "1:23",
           "controller's devices is "
           "empty; expected \"pssl:PORT:ADDRESS\"");
    refuse("controller: {devices: [\"ptcp:1\"]}\n", "1:24",
           "controller's "
           "devices \"ptcp:1\" is not a connection of a kind that is taken "
           "here; expected \"pssl:PORT:ADDRESS\"");
    refuse("controller: {devices: [\"pssl:\"]}\n", "1:24",
           "controller's "
           "devices \"pssl:\" is not a connection of a kind that is taken "
           "here; expected \"pssl:PORT:ADDRESS\"");
    refuse("controller: {devices: [\"pssl:1\", \"pssl:1\"]}\n", "1:34",
           "\"pssl:1\" is there twice; expected it once");
    refuse("controller: {devices: [\"pssl:1\"], bridges: [\"unix:/x\"]}\n",
           "1:45",
           "controller's bridges \"unix:/x\" is not a connection of "
           "a kind that is taken here; expected \"pssl:PORT:ADDRESS\", "
           "\"ptcp:PORT:ADDRESS\" or \"punix:FILE\"");
}

#define DPID "datapath-id: \"0000000000000001\""

static void
test_bridges(void)
{
    refuse(CONTROLLER "bridges: {b: {datapath-id: \"1\"}}\n", "2:28",
           "datapath-id \"1\" is not one; expected 16 hexadecimal digits, "
           "not all zero");
    refuse(CONTROLLER "bridges: {b: {datapath-id: \"000000000000000g\"}}\n",
           "2:28",
           "datapath-id \"000000000000000g\" is not one; expected 16 "
           "hexadecimal digits, not all zero");
    refuse(CONTROLLER "bridges: {b: {datapath-id: \"0000000000000000\"}}\n",
           "2:28",
           "datapath-id \"0000000000000000\" is not one; expected 16 "
           "hexadecimal digits, not all zero");
    refuse(CONTROLLER "bridges: {b: {datapath-id: 0000000000000001}}\n",
           "2:28",
           "datapath-id is 0000000000000001, which YAML takes for "
           "something else; expected a string, in quotes");
    refuse(CONTROLLER BRIDGE "  b2: {" DPID "}\n", "6:21",
           "datapath-id "
           "\"0000000000000001\" is bridge br-home's too; expected one for "
           "each bridge");
    refuse(CONTROLLER "bridges: {b: {" DPID ", target: \"ptcp:1\"}}\n", "2:56",
           "target \"ptcp:1\" is not a connection of a kind that is "
           "taken here; expected \"unix:FILE\", \"tcp:ADDRESS:PORT\" or "
           "\"ssl:ADDRESS:PORT\"");
    refuse(CONTROLLER "bridges: {b: {" DPID ", first-table: 239}}\n", "2:61",
           "first-table is 239; expected an integer from 0 to 238");
    refuse(CONTROLLER "bridges: {b: {" DPID ", forward-table: NORMAL}}\n",
           "2:63",
           "forward-table (if not \"normal\") is NORMAL; expected an "
           "integer from 16 to 254");
    refuse(CONTROLLER "bridges: {b: {" DPID ", first-table: 10, "
                      "forward-table: 25}}\n",
           "2:80",
           "forward-table (if not "
           "\"normal\") is 25; expected an integer from 26 to 254");
    refuse(CONTROLLER BRIDGE "  b2: {datapath-id: \"0000000000000002\", "
                             "subnets: [10.0.0.0/8]}\n",
           "6:51",
           "subnet \"10.0.0.0/8\" "
           "overlaps 10.1.0.0/24 of bridge br-home; expected subnets that do "
           "not overlap");
    refuse(CONTROLLER "bridges: {b: {" DPID ", subnets: [10.1.0.0/24, "
                      "10.1.0.128/25]}}\n",
           "2:71",
           "subnet \"10.1.0.128/25\" overlaps "
           "10.1.0.0/24 of bridge b; expected subnets that do not overlap");
}

static void
test_prefixes(void)
{
    static const struct {
        const char *prefix, *wrong;
    } cases[] = {
        { "10.1.0.0", "is not an address, a slash and a length" },
        { "10.1.0/24", "does not begin with an IPv4 or IPv6 address" },
        { "010.1.0.0/24", "does not begin with an IPv4 or IPv6 address" },
        { "/24", "does not begin with an IPv4 or IPv6 address" },
        { "host/24", "does not begin with an IPv4 or IPv6 address" },
        { "fd00::1::/64", "does not begin with an IPv4 or IPv6 address" },
        { "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555/1",
          "is not an address, a slash and a length" },
        { "10.1.0.0/", "has a length that is not from 0 to 32" },
        { "10.1.0.0/33", "has a length that is not from 0 to 32" },
        { "10.1.0.0/-1", "has a length that is not from 0 to 32" },
        { "10.1.0.0/24x", "has a length that is not from 0 to 32" },
        { "10.1.0.0/255.255.255.0", "has a length that is not from 0 to 32" },
        { "10.1.0.0/99999999999", "has a length that is not from 0 to 32" },
        { "fd00::/129", "has a length that is not from 0 to 128" },
        { "0.0.0.0/0", "is too wide: its length is less than 8" },
        { "::/0", "is too wide: its length is less than 8" },
        { "10.1.0.1/24", "has bits set beyond its length" },
        { "fd00::1/64", "has bits set beyond its length" },
        { "::ffff:10.1.0.0/120", "is an IPv4-mapped IPv6 address" },
        { "224.0.0.0/8", "is not of unicast addresses that can be routed" },
        { "127.0.0.0/8", "is not of unicast addresses that can be routed" },
        { "0.0.0.0/8", "is not of unicast addresses that can be routed" },
        { "255.0.0.0/8", "is not of unicast addresses that can be routed" },
        { "ff02::/16", "is not of unicast addresses that can be routed" },
        { "fe80::/64", "is not of unicast addresses that can be routed" },
        { "::/64", "is not of unicast addresses that can be routed" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *text = xasprintf(CONTROLLER "bridges: {b: {" DPID
                                          ", subnets: [\"%s\"]}}\n",
                               cases[i].prefix);
        char *message = xasprintf("subnet \"%s\" %s; expected a prefix like "
                                  "10.1.0.0/24 or fd00:1::/64",
                                  cases[i].prefix, cases[i].wrong);
        refuse(text, "2:58", message);
        free(message);
        free(text);
    }
}

static void
test_pools(void)
{
    refuse(CONTROLLER BRIDGE "pools:\n"
                             "  a: {bridge: br-home, prefix: 10.1.0.128/25}\n"
                             "  b: {bridge: br-home, prefix: 10.1.0.192/26}\n",
           "8:32",
           "prefix \"10.1.0.192/26\" overlaps 10.1.0.128/25 of pool a; "
           "expected pools that do not overlap");
    refuse(CONTROLLER BRIDGE
           "pools:\n"
           "  a: {bridge: br-home, prefix: \"fd00:1::1:0/112\"}\n"
           "  b: {bridge: br-home, prefix: \"fd00:1::/64\"}\n",
           "8:32",
           "prefix \"fd00:1::/64\" overlaps fd00:1::1:0/112 of pool a; "
           "expected pools that do not overlap");
    refuse(CONTROLLER BRIDGE "pools: {a: {bridge: br-home, "
                             "prefix: 10.2.0.0/24}}\n",
           "6:38",
           "prefix \"10.2.0.0/24\" is in "
           "none of bridge br-home's subnets; expected a part of one");
    refuse(CONTROLLER BRIDGE "pools: {a: {bridge: br-home, "
                             "prefix: 10.1.0.0/16}}\n",
           "6:38",
           "prefix \"10.1.0.0/16\" is in "
           "none of bridge br-home's subnets; expected a part of one");

    refuse(CONTROLLER BRIDGE "pools: {a: {bridge: br-home, "
                             "prefix: 10.1.0.0/25, block: 24}}\n",
           "6:58", "block is 24; expected an integer from 25 to 32");
    refuse(CONTROLLER BRIDGE "pools: {a: {bridge: br-home, "
                             "prefix: 10.1.0.0/25, block: 33}}\n",
           "6:58", "block is 33; expected an integer from 25 to 32");
    refuse(CONTROLLER BRIDGE "pools: {a: {bridge: br-home, "
                             "prefix: \"fd00:1::/64\", block: 63}}\n",
           "6:60", "block is 63; expected an integer from 64 to 128");
    refuse(CONTROLLER BRIDGE "pools: {a: {bridge: br-home, "
                             "prefix: 10.1.0.0/25, lease: 9}}\n",
           "6:58", "lease is 9; expected an integer from 10 to 31536000");
    refuse(CONTROLLER BRIDGE "pools: {a: {bridge: br-home, "
                             "prefix: 10.1.0.0/25, rest: 86401}}\n",
           "6:57", "rest is 86401; expected an integer from 0 to 86400");
}

static void
test_devices(void)
{
    refuse(CONTROLLER "devices: {tv: {port: p1}}\n", "2:22",
           "port without a bridge; expected \"bridge\" beside it");
    refuse(CONTROLLER BRIDGE "devices:\n"
                             "  tv: {bridge: br-home, port: p1}\n"
                             "  radio: {bridge: br-home, port: p1}\n",
           "8:34",
           "port \"p1\" of bridge br-home is device tv's; expected a port "
           "for each device");
    refuse(CONTROLLER BRIDGE "devices: {tv: {bridge: br-home, port: \"\"}}\n",
           "6:39", "port is empty; expected text");
    refuse(CONTROLLER "services: {s: {devices: [], user: any, "
                      "command: []}}\n",
           "2:49",
           "command does not begin with a "
           "program; expected its path from the root");
    refuse(CONTROLLER "services: {s: {devices: [], user: any, "
                      "command: [sh, x]}}\n",
           "2:50",
           "command does not begin with a "
           "program; expected its path from the root");
}

static void
test_files(void)
{
    char *error;

    CU_ASSERT_PTR_NULL(policy_load("/nonexistent/p.yaml", &error));
    CU_ASSERT_STRING_EQUAL(error, "/nonexistent/p.yaml: No such file or "
                                  "directory");
    free(error);
    CU_ASSERT_PTR_NULL(policy_load("/", &error));
    CU_ASSERT_STRING_EQUAL(error, "/: Is a directory");
    free(error);
    CU_ASSERT_PTR_NULL(policy_load("/dev/zero", &error));
    CU_ASSERT_STRING_EQUAL(error, "/dev/zero: File too large");
    free(error);
    CU_ASSERT_PTR_NULL(policy_load("/dev/null", &error));
    CU_ASSERT_STRING_EQUAL(error, "/dev/null: empty; expected YAML");
    free(error);

    char name[] = "/tmp/test-policy-XXXXXX";
    int fd = mkstemp(name);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, CONTROLLER, strlen(CONTROLLER)),
                    strlen(CONTROLLER));
    close(fd);
    struct policy *policy = policy_load(name, &error);
    CU_ASSERT_PTR_NULL(error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(policy);
    CU_ASSERT_STRING_EQUAL(policy->file_name, name);
    policy_destroy(policy);
    unlink(name);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "whole", test_whole },
        { "defaults", test_defaults },
        { "order", test_order },
        { "may_move", test_may_move },
        { "prefix", test_prefix },
        { "tunnel", test_tunnel },
        { "lan", test_lan },
        { "tunnels of devices", test_device_tunnel },
        { "names of services", test_names_zone },
        { "lan errors", test_lan_errors },
        { "movable services", test_movable },
        { "their errors", test_movable_errors },
        { "yaml", test_yaml },
        { "anchors", test_anchors },
        { "size", test_size },
        { "keys", test_keys },
        { "types", test_types },
        { "names", test_names },
        { "controller", test_controller },
        { "bridges", test_bridges },
        { "prefixes", test_prefixes },
        { "pools", test_pools },
        { "devices", test_devices },
        { "files", test_files },
    };

    return unit_run("policy", tests, ARRAY_SIZE(tests));
}
