/* SPDX-License-Identifier: Apache-2.0 */

/* A bridge object on a line: reads commands from its standard input, answers
 * each with lines that end in "ok" or "error: ...".  tests/sandbox/run is its
 * user; see commands[] for what it takes. */

#include <config.h>
#undef NDEBUG
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge.h"
#include "dummy.h"
#include "fatal-signal.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "stream-ssl.h"
#include "svec.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"
#include "uuid.h"

#define TIMEOUT 15000 /* ms, for a host that is busy. */

static struct flow_layout layout = {
    .forward_table = -1,
    .meter_id = 0xba70,
    .attachment_meter_id = 0xba71,
    .packet_ins = 1000,
};
static struct bridge *bridge;
static struct bridge_listener *listener;
static struct unixctl_server *unixctl; /* For time/warp. */

/* One turn of the main loop. */
static void
turn(long long int deadline)
{
    poll_timer_wait_until(deadline);
    unixctl_server_wait(unixctl);
    if (listener) {
        bridge_listener_wait(listener);
    }
    if (bridge) {
        bridge_wait(bridge);
    }
    poll_block();
    unixctl_server_run(unixctl);
    if (listener) {
        bridge_listener_run(listener, &bridge, bridge ? 1 : 0);
    }
    if (bridge) {
        bridge_run(bridge);
    }
}

/* A key for each name. */
static struct uuid
key_of(const char *name)
{
    struct uuid key = { .parts = { 0 } };
    strncpy((char *) key.parts, name, sizeof key.parts - 1);
    return key;
}

static struct flow_prefix
parse_prefix(const char *s)
{
    struct flow_prefix prefix;
    char addr[64];
    unsigned int plen;

    if (strchr(s, ':')) {
        plen = 128;
        ovs_assert(sscanf(s, "%63[^/]/%u", addr, &plen) >= 1);
        ovs_assert(ipv6_parse(addr, &prefix.addr));
        prefix.plen = plen;
    } else {
        ovs_be32 ip;

        plen = 32;
        ovs_assert(sscanf(s, "%63[^/]/%u", addr, &plen) >= 1);
        ovs_assert(ip_parse(addr, &ip));
        in6_addr_set_mapped_ipv4(&prefix.addr, ip);
        prefix.plen = plen + 96;
    }
    return prefix;
}

/* "PORT,MAC[,VLAN]" or "none". */
static struct flow_place
parse_place(const char *s)
{
    struct flow_place place = { .port = OFPP_NONE };
    unsigned int port, vlan = 0;

    if (strcmp(s, "none")) {
        ovs_assert(sscanf(s, "%u," ETH_ADDR_SCAN_FMT ",%u", &port,
                          ETH_ADDR_SCAN_ARGS(place.mac), &vlan)
                   >= 7);
        place.port = u16_to_ofp(port);
        place.vlan_tci = vlan;
    }
    return place;
}

static uint8_t *
parse_hex(const char *s, size_t *n)
{
    uint8_t *data = xmalloc(strlen(s) / 2 + 1);

    *n = strlen(s) / 2;
    for (size_t i = 0; i < *n; i++) {
        ovs_assert(sscanf(s + 2 * i, "%2" SCNx8, &data[i]) == 1);
    }
    return data;
}

/* Commands.  Each returns NULL, or an error that the caller frees. */

static char *
cmd_open(const struct svec *args)
{
    bool passive = !strcmp(args->names[1], "none");

    bridge = bridge_create("br0", passive ? NULL : args->names[1],
                           strtoull(args->names[2], NULL, 16), &layout);
    return NULL;
}

static char *
cmd_listen(const struct svec *args)
{
    int error = bridge_listener_open(args->names[1], &listener);
    return error ? xstrdup(ovs_strerror(error)) : NULL;
}

static char *
cmd_close(const struct svec *args)
{
    bridge_destroy(bridge, !strcmp(args->names[1], "detach"));
    bridge = NULL;
    return NULL;
}

static char *
cmd_layout(const struct svec *args)
{
    layout.first_table = atoi(args->names[1]);
    layout.forward_table = atoi(args->names[2]);
    layout.meter_id = atoi(args->names[3]);
    layout.attachment_meter_id = atoi(args->names[3]);
    return NULL;
}

static char *
cmd_pipeline(const struct svec *args)
{
    struct flow_prefix prefixes[8];
    struct flow_set set;

    for (size_t i = 1; i < args->n; i++) {
        prefixes[i - 1] = parse_prefix(args->names[i]);
    }
    flow_set_init(&set);
    flows_pipeline(&layout, prefixes, args->n - 1, &set);
    struct uuid key = key_of("pipeline");
    bridge_set(bridge, &key, &set);
    flow_set_destroy(&set);
    return NULL;
}

static char *
cmd_block(const struct svec *args)
{
    struct flow_prefix prefix = parse_prefix(args->names[1]);
    struct flow_place place = parse_place(args->names[2]);
    struct uuid key = key_of(args->names[1]);
    struct flow_set set;

    flow_set_init(&set);
    flows_block(&layout, &prefix, &place, &set);
    bridge_set(bridge, &key, &set);
    flow_set_destroy(&set);
    return NULL;
}

static void
set_session(const struct in6_addr *addr, const struct uuid *key,
            const struct flow_place *guard, const struct flow_place *inbound)
{
    struct flow_set set;

    flow_set_init(&set);
    flows_session(&layout, addr, guard, inbound, &set);
    bridge_set(bridge, key, &set);
    flow_set_destroy(&set);
}

static char *
cmd_session(const struct svec *args)
{
    struct flow_prefix prefix = parse_prefix(args->names[1]);
    struct flow_place guard = parse_place(args->names[2]);
    struct flow_place inbound = parse_place(args->names[3]);
    struct uuid key = key_of(args->names[1]);

    set_session(&prefix.addr, &key, &guard, &inbound);
    return NULL;
}

/* N sessions from an IPv4 address on. */
static char *
cmd_sessions(const struct svec *args)
{
    struct flow_prefix prefix = parse_prefix(args->names[1]);
    struct flow_place place = parse_place(args->names[3]);
    uint32_t ip = ntohl(in6_addr_get_mapped_ipv4(&prefix.addr));
    int n = atoi(args->names[2]);

    for (int i = 0; i < n; i++) {
        struct in6_addr addr;
        struct uuid key = { .parts = { 1, ip + i } };

        in6_addr_set_mapped_ipv4(&addr, htonl(ip + i));
        set_session(&addr, &key, &place, &place);
    }
    return NULL;
}

static char *
cmd_unset(const struct svec *args)
{
    struct uuid key = key_of(args->names[1]);
    struct flow_set set;

    flow_set_init(&set);
    bridge_set(bridge, &key, &set);
    flow_set_destroy(&set);
    return NULL;
}

/* One flow that no switch takes. */
static char *
cmd_bad(const struct svec *args)
{
    struct uuid key = key_of(args->names[1]);
    struct match match = MATCH_CATCHALL_INITIALIZER;
    struct ofpact_goto_table bad;
    struct flow_set set;

    flow_set_init(&set);
    match_set_in_port(&match, u16_to_ofp(77));
    ofpact_init_GOTO_TABLE(&bad);
    bad.table_id = 0; /* Backwards. */
    flow_set_add(&set, 3, 7, BATON_COOKIE, &match, &bad.ofpact, sizeof bad);
    bridge_set(bridge, &key, &set);
    flow_set_destroy(&set);
    return NULL;
}

static char *
cmd_flush(const struct svec *args)
{
    long long int deadline = time_msec() + TIMEOUT;
    uint64_t start = time_usec();
    uint64_t seqno = bridge_flush(bridge);

    if (args->n > 1 && !strcmp(args->names[1], "nowait")) {
        return NULL;
    }
    while (bridge_acked(bridge) < seqno) {
        if (time_msec() > deadline) {
            return xstrdup("no answer");
        }
        turn(deadline);
    }
    printf("us %" PRIu64 "\n", (uint64_t) time_usec() - start);
    return NULL;
}

static char *
cmd_wait(const struct svec *args)
{
    long long int deadline = time_msec() + TIMEOUT;
    bool want = strcmp(args->names[1], "lost");

    while (bridge_is_synchronised(bridge) != want) {
        if (time_msec() > deadline) {
            return xstrdup(bridge_get_status(bridge));
        }
        turn(deadline);
    }
    return NULL;
}

static char *
cmd_sleep(const struct svec *args)
{
    long long int deadline = time_msec() + atoi(args->names[1]);

    while (time_msec() < deadline) {
        turn(deadline);
    }
    return NULL;
}

static char *
cmd_stats(const struct svec *args OVS_UNUSED)
{
    struct bridge_stats stats;

    bridge_get_stats(bridge, &stats);
    printf("n_flows %" PRIuSIZE "\nn_flow_mods %" PRIu64 "\n"
           "n_violations %" PRIu64 "\nn_repaired %" PRIu64 "\nstatus %s\n",
           stats.n_flows, stats.n_flow_mods, stats.n_violations,
           stats.n_repaired, bridge_get_status(bridge));
    return NULL;
}

static char *
cmd_port(const struct svec *args)
{
    ofp_port_t port = bridge_port_from_name(bridge, args->names[1]);

    printf("port %" PRIu16 " %s %s\n", ofp_to_u16(port),
           port == OFPP_NONE ? "-" : bridge_port_to_name(bridge, port),
           bridge_port_is_up(bridge, port) ? "up" : "down");
    return NULL;
}

/* Waits for a packet from the switch. */
static char *
cmd_packet(const struct svec *args OVS_UNUSED)
{
    long long int deadline = time_msec() + TIMEOUT;
    struct bridge_packet packet;

    while (!bridge_next_packet(bridge, &packet)) {
        if (time_msec() > deadline) {
            return xstrdup("no packet");
        }
        turn(deadline);
    }
    printf("packet %d %" PRIu16 " ", (int) packet.kind,
           ofp_to_u16(packet.in_port));
    for (size_t i = 0; i < packet.size; i++) {
        printf("%02x", packet.data[i]);
    }
    putchar('\n');
    free(packet.data);
    return NULL;
}

static char *
cmd_send(const struct svec *args)
{
    ofp_port_t port = u16_to_ofp(atoi(args->names[2]));
    size_t n;
    uint8_t *data = parse_hex(args->names[3], &n);

    if (!strcmp(args->names[1], "through")) {
        bridge_send_through(bridge, port, data, n);
    } else {
        bridge_send_to_port(bridge, port, data, n);
    }
    free(data);
    return NULL;
}

static int
compare_u64(const void *a_, const void *b_)
{
    const uint64_t *a = a_, *b = b_;
    return *a < *b ? -1 : *a > *b;
}

/* Moves one session N times between two places; how long until the barrier's
 * answer. */
static char *
cmd_bench(const struct svec *args)
{
    struct flow_prefix prefix = parse_prefix(args->names[1]);
    struct uuid key = key_of(args->names[1]);
    struct flow_place a = parse_place(args->names[2]);
    struct flow_place b = parse_place(args->names[3]);
    int n = atoi(args->names[4]);
    uint64_t *us = xmalloc(n * sizeof *us);
    uint64_t set_us = 0;

    for (int i = 0; i < n; i++) {
        uint64_t start = time_usec();
        set_session(&prefix.addr, &key, i % 2 ? &a : &b, &a);
        set_us += time_usec() - start;
        uint64_t seqno = bridge_flush(bridge);
        while (bridge_acked(bridge) < seqno) {
            turn(LLONG_MAX);
        }
        us[i] = time_usec() - start;
    }
    qsort(us, n, sizeof *us, compare_u64);
    printf("guard_us p50 %" PRIu64 " p99 %" PRIu64 " max %" PRIu64
           " set %.1f\n",
           us[n / 2], us[n * 99 / 100], us[n - 1], (double) set_us / n);
    free(us);
    return NULL;
}

static const struct {
    const char *name;
    size_t n_args;
    char *(*run)(const struct svec *);
} commands[] = {
    { "open", 2, cmd_open },         /* TARGET|none DPID */
    { "listen", 1, cmd_listen },     /* PTARGET */
    { "close", 1, cmd_close },       /* detach|leave */
    { "layout", 3, cmd_layout },     /* FIRST-TABLE FORWARD METER */
    { "pipeline", 0, cmd_pipeline }, /* PREFIX... */
    { "block", 2, cmd_block },       /* PREFIX PLACE */
    { "session", 3, cmd_session },   /* ADDR GUARD INBOUND */
    { "sessions", 3, cmd_sessions }, /* ADDR N PLACE */
    { "unset", 1, cmd_unset },       /* KEY */
    { "bad", 1, cmd_bad },           /* KEY */
    { "flush", 0, cmd_flush },       /* [nowait] */
    { "wait", 1, cmd_wait },         /* synchronised|lost */
    { "sleep", 1, cmd_sleep },       /* MS */
    { "stats", 0, cmd_stats },
    { "port", 1, cmd_port }, /* NAME */
    { "packet", 0, cmd_packet },
    { "send", 3, cmd_send },   /* to|through PORT HEX */
    { "bench", 4, cmd_bench }, /* ADDR PLACE PLACE N */
};

static char *
run_command(const struct svec *args)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(commands[i].name, args->names[0])) {
            return args->n - 1 >= commands[i].n_args
                       ? commands[i].run(args)
                       : xstrdup("too few arguments");
        }
    }
    return xstrdup("no such command");
}

static void
run_line(char *line)
{
    struct svec args = SVEC_EMPTY_INITIALIZER;
    char *save = NULL;

    for (char *word = strtok_r(line, " \n", &save); word;
         word = strtok_r(NULL, " \n", &save)) {
        svec_add(&args, word);
    }
    if (args.n) {
        char *error = run_command(&args);

        printf(error ? "error: %s\n" : "ok\n", error);
        fflush(stdout);
        free(error);
    }
    svec_destroy(&args);
}

/* While there is no command the bridge goes on. */
static bool
wait_for_line(int fd, struct ds *line)
{
    for (;;) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        char c;

        while (poll(&pfd, 1, 0) > 0) {
            if (read(fd, &c, 1) != 1) {
                return false;
            } else if (c == '\n') {
                return true;
            }
            ds_put_char(line, c);
        }
        poll_fd_wait(fd, POLLIN);
        turn(LLONG_MAX);
    }
}

int
main(int argc, char *argv[])
{
    enum { OPT_UNIXCTL = UCHAR_MAX + 1, VLOG_OPTION_ENUMS, SSL_OPTION_ENUMS };
    static const struct option options[] = {
        { "unixctl", required_argument, NULL, OPT_UNIXCTL },
        VLOG_LONG_OPTIONS,
        STREAM_SSL_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    struct ds line = DS_EMPTY_INITIALIZER;
    int c;

    set_program_name(argv[0]);
    fatal_ignore_sigpipe();
    while ((c = getopt_long(argc, argv, "v::", options, NULL)) != -1) {
        switch (c) {
        case OPT_UNIXCTL:
            /* The clock must run before it can be warped. */
            time_msec();
            timeval_dummy_register();
            ovs_assert(!unixctl_server_create(optarg, &unixctl));
            break;
            VLOG_OPTION_HANDLERS
            STREAM_SSL_OPTION_HANDLERS
        default: return EXIT_FAILURE;
        }
    }

    /* The poll loop does not take descriptor 0. */
    int fd = dup(STDIN_FILENO);
    while (wait_for_line(fd, &line)) {
        run_line(ds_cstr(&line));
        ds_clear(&line);
    }
    bridge_listener_close(listener);
    bridge_destroy(bridge, false);
    unixctl_server_destroy(unixctl);
    ds_destroy(&line);
    return EXIT_SUCCESS;
}
