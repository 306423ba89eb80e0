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
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "table.h"
#include "util.h"

/* Columns that are shown first, in this order, where a row has them; others
 * follow by name. */
static const char *const columns[] = {
    "time",    "event",       "session", "device",   "name",    "address",
    "service", "family",      "state",   "epoch",    "sockets", "connected",
    "bridge",  "port",        "mac",     "transfer", "from",    "to",
    "groups",  "can_move_to", "since",   "uid",      "pid",     "reason",
};

struct options {
    char *socket;
    const char *service;
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

static const struct json_array *
reply_rows(const struct json *reply)
{
    static const struct json_array none = { .n = 0 };
    const struct json *rows;

    rows = (reply->type == JSON_OBJECT
                ? shash_find_data(json_object(reply), "rows")
                : NULL);
    return rows && rows->type == JSON_ARRAY ? json_array(rows) : &none;
}

/* Stores the names of all columns of 'rows', or, of none, 'expected'. */
static size_t
choose_columns(const struct json_array *rows, const char *expected[],
               const char **names)
{
    struct sset known = SSET_INITIALIZER(&known);
    size_t n = 0;

    for (size_t i = 0; i < rows->n; i++) {
        const struct json *row = rows->elems[i];

        if (row->type == JSON_OBJECT) {
            struct shash_node *node;

            SHASH_FOR_EACH(node, json_object(row)) {
                sset_add(&known, node->name);
            }
        }
    }
    for (size_t i = 0; !rows->n && expected[i]; i++) {
        sset_add(&known, expected[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        if (sset_find_and_delete(&known, columns[i])) {
            names[n++] = columns[i];
        }
    }
    const char **others = sset_sort(&known);
    for (size_t i = 0; others[i] && n < 64; i++) {
        names[n++] = xstrdup(others[i]);
    }
    free(others);
    sset_destroy(&known);
    return n;
}

/* An array of strings reads better without JSON's punctuation. */
static char *
array_to_text(const struct json_array *array)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < array->n; i++) {
        const struct json *e = array->elems[i];

        ds_put_cstr(&s, i ? ", " : "");
        if (e->type == JSON_STRING) {
            ds_put_cstr(&s, json_string(e));
        } else {
            json_to_ds(e, JSSF_SORT, &s);
        }
    }
    return ds_steal_cstr(&s);
}

static void
fill_cell(struct cell *cell, const struct json *value)
{
    if (!value || value->type == JSON_NULL) {
        cell->text = opts.style.format == TF_JSON ? NULL : xstrdup("");
    } else if (value->type == JSON_STRING) {
        cell->text = xstrdup(json_string(value));
    } else if (value->type == JSON_ARRAY && opts.style.format != TF_JSON) {
        cell->text = array_to_text(json_array(value));
    } else {
        cell->json = json_clone(value);
    }
}

static void
print_rows(const struct json *reply, const char *expected[])
{
    const struct json_array *rows = reply_rows(reply);
    const char *names[64 + ARRAY_SIZE(columns)];
    size_t n = choose_columns(rows, expected, names);
    struct table table;

    table_init(&table);
    for (size_t i = 0; i < n; i++) {
        table_add_column(&table, "%s", names[i]);
    }
    for (size_t i = 0; i < rows->n; i++) {
        const struct json *row = rows->elems[i];

        if (row->type != JSON_OBJECT) {
            continue;
        }
        table_add_row(&table);
        for (size_t j = 0; j < n; j++) {
            fill_cell(table_add_cell(&table),
                      shash_find_data(json_object(row), names[j]));
        }
    }
    table_print(&table, &opts.style);
    table_destroy(&table);
}

/* Commands. */

static void
cmd_sessions(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    const char *expected[] = { "session", "name",  "address",
                               "service", "state", NULL };
    struct json *reply = call(request_create("sessions"));

    print_rows(reply, expected);
    json_destroy(reply);
}

static void
cmd_devices(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    const char *expected[] = { "name", "connected", NULL };
    struct json *reply = call(request_create("devices"));

    print_rows(reply, expected);
    json_destroy(reply);
}

static void
cmd_log(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    const char *expected[] = { "time", "event", "session", NULL };
    struct json *reply = call(request_create("log"));

    print_rows(reply, expected);
    json_destroy(reply);
}

static void
cmd_move(struct ovs_cmdl_context *ctx)
{
    struct json *request = request_create("move");
    const char *none[] = { NULL };
    struct json *reply;

    json_object_put_string(request, "session", ctx->argv[1]);
    json_object_put_string(request, "device", ctx->argv[2]);
    if (opts.service) {
        json_object_put_string(request, "service", opts.service);
    }
    reply = call(request);
    if (reply_rows(reply)->n || opts.style.format == TF_JSON) {
        print_rows(reply, none);
    } else {
        printf("moved to %s\n", ctx->argv[2]);
    }
    json_destroy(reply);
}

/* One event in one line: tables are for what has an end. */
static void
print_event(const struct json *row)
{
    const char *names[64 + ARRAY_SIZE(columns)];
    const char *none[] = { NULL };
    struct json *elems[] = { CONST_CAST(struct json *, row) };
    struct json_array rows = { .n = 1, .elems = elems };
    size_t n;

    if (opts.style.format == TF_JSON || row->type != JSON_OBJECT) {
        char *s = json_to_string(row, JSSF_SORT);

        puts(s);
        free(s);
        return;
    }
    n = choose_columns(&rows, none, names);
    for (size_t i = 0; i < n; i++) {
        struct cell cell = { .text = NULL };
        bool bare = !strcmp(names[i], "time") || !strcmp(names[i], "event");

        fill_cell(&cell, shash_find_data(json_object(row), names[i]));
        if (cell.json) {
            cell.text = json_to_string(cell.json, JSSF_SORT);
        }
        if (opts.style.format == TF_CSV) {
            printf("%s%s", i ? "," : "", cell.text);
        } else if (cell.text[0]) {
            printf("%s%s%s%s", i ? " " : "", bare ? "" : names[i],
                   bare ? "" : "=", cell.text);
        }
        free(cell.text);
        json_destroy(cell.json);
    }
    putchar('\n');
}

static void
cmd_watch(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    int fd = connect_to_agent();

    ask(fd, request_create("watch"));
    for (;;) {
        struct json *reply = receive(fd, 0);
        const struct json_array *rows = reply_rows(reply);

        for (size_t i = 0; i < rows->n; i++) {
            print_event(rows->elems[i]);
        }
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
           "  devices                show where sessions can move\n"
           "  move SESSION DEVICE    move a session to a device; SESSION is\n"
           "                         an id or its beginning, a name, or an\n"
           "                         address\n"
           "  watch                  show what happens, until interrupted\n"
           "  log                    show what happened\n\n"
           "Options:\n"
           "  --service=SERVICE      move to this service (default: the one\n"
           "                         that has the session now)\n"
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
    { "move", "SESSION DEVICE", 2, 2, cmd_move, OVS_RW },
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
        OPT_SOCKET,
        TABLE_OPTION_ENUMS,
        VLOG_OPTION_ENUMS,
    };
    static const struct option options[] = {
        { "service", required_argument, NULL, OPT_SERVICE },
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
