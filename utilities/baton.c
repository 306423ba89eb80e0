/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* What a person at a device types. */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent-call.h"
#include "app-protocol.h"
#include "command-line.h"
#include "json-table.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "table.h"
#include "util.h"

struct options {
    char *socket;
    const char *service;
    const char *onward;
    bool mapping; /* sessions: what the bridge translates. */
    bool whole;
    int timeout; /* Seconds; 0: none. */
    struct table_style style;
};

static struct options opts = {
    .timeout = 60,
    .style = { TF_TABLE, CF_STRING, true, JSSF_SORT, 0 },
};

static int
connect_to_agent(void)
{
    char *error;
    int fd;

    if (agent_call_open(opts.socket, &fd, &error)) {
        ovs_fatal(0, "%s", error);
    }
    return fd;
}

static struct json *
receive(int fd, int timeout)
{
    struct json *reply;
    char *error;

    if (agent_call_receive(fd, timeout, &reply, &error)) {
        ovs_fatal(0, "%s", error);
    }
    return reply;
}

static void
ask(int fd, struct json *request)
{
    char *error;

    if (agent_call_send(fd, request, &error)) {
        ovs_fatal(0, "%s", error);
    }
    json_destroy(request);
}

/* Takes 'request'. */
static struct json *
call(struct json *request)
{
    int fd = connect_to_agent();
    struct json *reply;

    ask(fd, request);
    reply = receive(fd, opts.timeout);
    close(fd);
    return reply;
}

static struct json *
request_create(const char *name)
{
    struct json *request = json_object_create();

    json_object_put_string(request, "call", name);
    return request;
}

/* Printing. */

/* The rows of an answer, an array. */
static const struct json *
reply_rows(const struct json *reply)
{
    const struct json *rows;

    rows = (reply->type == JSON_OBJECT
                ? shash_find_data(json_object(reply), "rows")
                : NULL);
    if (!rows || rows->type != JSON_ARRAY) {
        ovs_fatal(0, "the agent's answer makes no sense");
    }
    return rows;
}

static void
show(const char *what, const char *const columns[])
{
    struct json *reply = call(request_create(what));

    json_table_print(NULL, reply_rows(reply), columns, &opts.style);
    json_destroy(reply);
}

/* Commands. */

static void
show_mappings(void)
{
    static const char *const columns[] = { "session",
                                           "protocol",
                                           "permanent",
                                           "port",
                                           "address",
                                           "correspondent",
                                           "correspondent_port",
                                           "owner",
                                           "since",
                                           "packets_in",
                                           "bytes_in",
                                           "packets_out",
                                           "bytes_out",
                                           NULL };
    struct json *reply = call(request_create("mappings"));

    json_table_format_times(reply_rows(reply), "since");
    json_table_print(NULL, reply_rows(reply), columns, &opts.style);
    json_destroy(reply);
}

static void
cmd_sessions(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    static const char *const columns[] = { "session", "name",   "address",
                                           "service", "onward", "state",
                                           NULL };

    if (opts.mapping) {
        show_mappings();
    } else {
        show("sessions", columns);
    }
}

static void
cmd_devices(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    static const char *const columns[] = { "name",  "connected",   "bridge",
                                           "port",  "site",        "tunnel",
                                           "path",  "can_move_to", "groups",
                                           "moved", NULL };

    show("devices", columns);
}

static const char *const event_columns[] = { "time", "session", "event",
                                             NULL };

static void
cmd_log(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    show("log", event_columns);
}

static void
move(const char *session, const char *device)
{
    static const char *const columns[] = { "session", "device", NULL };
    struct json *request = request_create("move");
    struct json *reply;

    json_object_put_string(request, "session", session);
    json_object_put_string(request, "device", device);
    if (opts.service) {
        json_object_put_string(request, "service", opts.service);
    }
    if (opts.onward) {
        json_object_put_string(request, "onward", opts.onward);
    }
    reply = call(request);
    if (opts.style.format == TF_TABLE) {
        printf("moved to %s\n", device);
    } else {
        json_table_print(NULL, reply_rows(reply), columns, &opts.style);
    }
    json_destroy(reply);
}

/* A string member of a row, or "". */
static const char *
column(const struct json *row, const char *name)
{
    const struct json *value = row->type == JSON_OBJECT
                                   ? shash_find_data(json_object(row), name)
                                   : NULL;

    return value && value->type == JSON_STRING ? json_string(value) : "";
}

/* All of this device's own addresses that are here, one after the other. */
static void
move_whole(const char *device)
{
    struct json *reply = call(request_create("sessions"));
    const struct json *rows = reply_rows(reply);
    size_t n = 0;

    for (size_t i = 0; i < json_array(rows)->n; i++) {
        const struct json *row = json_array(rows)->elems[i];

        if (!strcmp(column(row, "name"), "permanent")
            && !strcmp(column(row, "state"), "here")
            && !column(row, "onward")[0]) {
            move(column(row, "session"), device);
            n++;
        }
    }
    json_destroy(reply);
    if (!n) {
        ovs_fatal(0, "no address of this device's own is here that could "
                     "move");
    }
}

static void
cmd_move(struct ovs_cmdl_context *ctx)
{
    if (opts.whole && ctx->argc == 2) {
        move_whole(ctx->argv[1]);
    } else if (!opts.whole && ctx->argc == 3) {
        move(ctx->argv[1], ctx->argv[2]);
    } else {
        ovs_fatal(0, "move takes a session and a device, or --whole and a "
                     "device");
    }
}

static void
cmd_release(struct ovs_cmdl_context *ctx)
{
    struct json *request = request_create("release");

    json_object_put_string(request, "session", ctx->argv[1]);
    json_destroy(call(request));
}

static void
cmd_wake(struct ovs_cmdl_context *ctx)
{
    struct json *request = request_create("wake");

    if (ctx->argc > 1) {
        json_object_put_string(request, "address", ctx->argv[1]);
    }
    json_destroy(call(request));
}

/* One event in one line. */
static void
print_event(const struct json *event)
{
    const char *const *name = event_columns;

    if (event->type != JSON_OBJECT) {
        return;
    } else if (opts.style.format == TF_JSON) {
        char *s = json_to_string(event, JSSF_SORT);

        puts(s);
        free(s);
        return;
    }
    for (; *name; name++) {
        const struct json *value = shash_find_data(json_object(event), *name);

        printf("%s%s", name == event_columns ? "" : " ",
               value && value->type == JSON_STRING ? json_string(value) : "-");
    }
    putchar('\n');
}

static void
print_events(const struct json *rows)
{
    if (opts.style.format == TF_CSV) {
        json_table_print(NULL, rows, event_columns, &opts.style);
        opts.style.headings = false;
        table_format_reset();
        return;
    }
    for (size_t i = 0; i < json_array(rows)->n; i++) {
        print_event(json_array(rows)->elems[i]);
    }
}

static void
cmd_watch(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    int fd = connect_to_agent();

    ask(fd, request_create("watch"));
    for (;;) {
        struct json *reply = receive(fd, 0);

        print_events(reply_rows(reply));
        fflush(stdout);
        json_destroy(reply);
    }
}

static void OVS_NO_RETURN
usage(void)
{
    printf("%s: sessions of this device, and moving them\n"
           "usage: %s [OPTIONS] COMMAND [ARG...]\n\n"
           "Commands:\n"
           "  sessions               show the sessions that are here\n"
           "  sessions --mapping     show those that began on the permanent\n"
           "                         address, and their packets\n"
           "  devices                show where sessions can move\n"
           "  move SESSION DEVICE    move a session to a device; SESSION is\n"
           "                         an id or its beginning, a name, or an\n"
           "                         address\n"
           "  move --whole DEVICE    move this device's own addresses\n"
           "  wake [ADDRESS]         bring them back, or that one\n"
           "  release ADDRESS        give back another device's own address\n"
           "  watch                  show what happens, until interrupted\n"
           "  log                    show what happened\n\n"
           "Options:\n"
           "  --service=SERVICE      move to this service (default: the one\n"
           "                         that has the session now)\n"
           "  --onward=RIGHT         what the device may do with it: none,\n"
           "                         back, group, any, group:N, any:N\n"
           "                         (default: as much as policy allows)\n"
           "  --socket=FILE          socket of the agent\n"
           "                         (default: $BATON_SOCKET or %s)\n"
           "  -T, --timeout=SECS     wait SECS for an answer (default: 60;\n"
           "                         0: for ever)\n"
           "  -f, --format=FORMAT    table, list, html, csv or json\n"
           "  --no-headings          leave out the headings\n"
           "  --pretty               indent JSON\n"
           "  -v, --verbose=...      what to log, and where\n"
           "  -h, --help             show this\n"
           "  -V, --version          show the version\n",
           program_name, program_name, BATON_RUNDIR "/" APP_PROTOCOL_SOCKET);
    exit(EXIT_SUCCESS);
}

static void
cmd_help(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    usage();
}

static const struct ovs_cmdl_command commands[] = {
    { "sessions", NULL, 0, 0, cmd_sessions, OVS_RO },
    { "devices", NULL, 0, 0, cmd_devices, OVS_RO },
    { "move", "SESSION DEVICE", 1, 2, cmd_move, OVS_RW },
    { "wake", "[ADDRESS]", 0, 1, cmd_wake, OVS_RW },
    { "release", "ADDRESS", 1, 1, cmd_release, OVS_RW },
    { "watch", NULL, 0, 0, cmd_watch, OVS_RO },
    { "log", NULL, 0, 0, cmd_log, OVS_RO },
    { "help", NULL, 0, INT_MAX, cmd_help, OVS_RO },
    { NULL, NULL, 0, 0, NULL, OVS_RO },
};

static void
parse_options(int argc, char *argv[])
{
    enum {
        OPT_SERVICE = UCHAR_MAX + 1,
        OPT_ONWARD,
        OPT_WHOLE,
        OPT_MAPPING,
        OPT_SOCKET,
        TABLE_OPTION_ENUMS,
        VLOG_OPTION_ENUMS,
    };
    static const struct option options[] = {
        { "service", required_argument, NULL, OPT_SERVICE },
        { "onward", required_argument, NULL, OPT_ONWARD },
        { "whole", no_argument, NULL, OPT_WHOLE },
        { "mapping", no_argument, NULL, OPT_MAPPING },
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "timeout", required_argument, NULL, 'T' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        TABLE_LONG_OPTIONS,
        VLOG_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    char *short_options = ovs_cmdl_long_options_to_short_options(options);
    int c;

    while ((c = getopt_long(argc, argv, short_options, options, NULL)) != -1) {
        switch (c) {
        case OPT_SERVICE: opts.service = optarg; break;
        case OPT_WHOLE: opts.whole = true; break;
        case OPT_MAPPING: opts.mapping = true; break;
        case OPT_ONWARD: opts.onward = optarg; break;
        case OPT_SOCKET:
            free(opts.socket);
            opts.socket = xstrdup(optarg);
            break;
        case 'T':
            if (!str_to_int(optarg, 10, &opts.timeout) || opts.timeout < 0) {
                ovs_fatal(0, "%s: not a number of seconds", optarg);
            }
            break;
        case 'h': usage();
        case 'V':
            printf("baton (Baton) %s\n", PACKAGE_VERSION);
            exit(EXIT_SUCCESS);
            TABLE_OPTION_HANDLERS(&opts.style)
            VLOG_OPTION_HANDLERS
        case '?':
        default: exit(EXIT_FAILURE);
        }
    }
    free(short_options);
}

int
main(int argc, char *argv[])
{
    struct ovs_cmdl_context ctx = { .argc = 0 };
    const char *socket = getenv("BATON_SOCKET");

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    opts.socket = xstrdup(
        socket && socket[0] ? socket : BATON_RUNDIR "/" APP_PROTOCOL_SOCKET);
    parse_options(argc, argv);
    argc -= optind;
    argv += optind;
    if (!argc) {
        ovs_fatal(0, "what shall be done?  Use --help for help.");
    }
    ctx.argc = argc;
    ctx.argv = argv;
    ovs_cmdl_run_command(&ctx, commands);
    free(opts.socket);
    return EXIT_SUCCESS;
}
