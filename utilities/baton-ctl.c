/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* What an operator types: shows what a running baton-controller knows, and
 * checks and reloads its policy.
 *
 * Exit codes: 0 done, 1 not done, 2 wrong usage. */

#include <errno.h>
#include <inttypes.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command-line.h"
#include "controller-call.h"
#include "database-read.h"
#include "json-table.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "policy.h"
#include "stream-ssl.h"
#include "table.h"
#include "timeline-draw.h"
#include "timeval.h"
#include "util.h"

enum { EXIT_USAGE = 2 };

struct options {
    const char *target; /* Null: the default. */
    const char *db;     /* Look there, not at the controller; or null. */
    bool last;          /* The newest transfer. */
    bool force;         /* Though sessions are cut off. */
    struct table_style style;
};

static struct options opts = {
    .style = { TF_TABLE, CF_STRING, true, JSSF_SORT, 0 },
};

static void OVS_NO_RETURN OVS_PRINTF_FORMAT(1, 2)
    usage_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "%s: ", program_name);
    vfprintf(stderr, format, args);
    fprintf(stderr, " (use --help for help)\n");
    va_end(args);
    exit(EXIT_USAGE);
}

/* Asking. */

/* Returns the answer to 'command', an object, or exits. */
static struct json *
call(const char *command, char *argument)
{
    char *argv[] = { argument, NULL };
    struct json *reply;

    char *error = controller_call(opts.target, command, argv, &reply);
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    if (reply->type != JSON_OBJECT) {
        ovs_fatal(0, "the controller's answer to %s is no object", command);
    }
    return reply;
}

static const struct json *
member(const struct json *reply, const char *name, enum json_type type)
{
    const struct json *value = shash_find_data(json_object(reply), name);

    if (!value || value->type != type) {
        ovs_fatal(0, "the controller's answer has no %s", name);
    }
    return value;
}

/* Asks 'command' and prints the rows that it answers. */
static void
print_answer(const char *command, const char *name,
             const char *const columns[])
{
    struct json *reply = call(command, NULL);

    json_table_print(NULL, member(reply, name, JSON_ARRAY), columns,
                     &opts.style);
    json_destroy(reply);
}

/* The same from the database. */
static void
print_from_database(const char *name, const char *const columns[])
{
    struct json *object;
    char *error = database_read(opts.db, &object);

    if (error) {
        ovs_fatal(0, "%s", error);
    }
    json_table_print(NULL, member(object, name, JSON_ARRAY), columns,
                     &opts.style);
    json_destroy(object);
}

/* Commands. */

static const char *const lease_columns[] = { "block",  "pool",  "bridge",
                                             "device", "state", NULL };

static void
show_database(void)
{
    static const char *const names[] = { "active", "generation", NULL };
    struct json *object;
    char *error = database_read(opts.db, &object);

    if (error) {
        ovs_fatal(0, "%s", error);
    }
    json_table_print_object("controller",
                            member(object, "controller", JSON_OBJECT), names,
                            &opts.style);
    json_table_print("leases", member(object, "leases", JSON_ARRAY),
                     lease_columns, &opts.style);
    json_destroy(object);
}

static void
cmd_show(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    static const char *const names[] = { "name",      "version",
                                         "uptime",    "policy",
                                         "devices",   "devices_connected",
                                         "sessions",  "records",
                                         "transfers", NULL };
    static const char *const bridges[] = {
        "name",   "datapath_id", "connected",  "synchronised",
        "flows",  "flow_mods",   "violations", "repaired",
        "status", "tunnel",      NULL
    };
    static const char *const leases[] = { "block",  "pool",  "bridge",
                                          "device", "state", "seconds_left",
                                          NULL };
    static const char *const tunnels[] = { "from", "to", "good", "last_answer",
                                           NULL };

    if (opts.db) {
        show_database();
        return;
    }

    static const char *const asked[] = { "zone",      "questions", "told",
                                         "unused",    "limited",   "refused",
                                         "forwarded", NULL };
    struct json *reply = call("baton/show", NULL);
    const struct json *in_use = member(reply, "tunnels", JSON_ARRAY);
    const struct json *n = shash_find_data(json_object(reply), "names");

    json_table_print_object("controller", reply, names, &opts.style);
    json_table_print("bridges", member(reply, "bridges", JSON_ARRAY), bridges,
                     &opts.style);
    if (json_array(in_use)->n) {
        json_table_print("tunnels", in_use, tunnels, &opts.style);
    }
    if (n && n->type == JSON_OBJECT && shash_find(json_object(n), "zone")) {
        json_table_print_object("names", n, asked, &opts.style);
    }
    json_table_print("leases", member(reply, "leases", JSON_ARRAY), leases,
                     &opts.style);
    json_destroy(reply);
}

static void
cmd_devices(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    static const char *const columns[] = {
        "name",   "connected", "attached", "bridge",        "port",     "mac",
        "tunnel", "groups",    "sessions", "registrations", "endpoint", NULL
    };

    static const char *const places[] = { "name", "bridge", "port", "mac",
                                          NULL };

    if (opts.db) {
        print_from_database("devices", places);
    } else {
        print_answer("baton/devices", "devices", columns);
    }
}

static void
cmd_sessions(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    static const char *const columns[] = { "session", "address", "name",
                                           "service", "owner",   "home",
                                           "epoch",   "bridge",  "onward",
                                           "path",    "state",   NULL };

    static const char *const moved[] = { "session", "address", "name",
                                         "service", "owner",   "home",
                                         "epoch",   "onward",  "state",
                                         NULL };

    if (opts.db) {
        print_from_database("sessions", moved);
    } else {
        print_answer("baton/sessions", "sessions", columns);
    }
}

static void
cmd_mappings(struct ovs_cmdl_context *ctx OVS_UNUSED)
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
                                           "state",
                                           "packets_in",
                                           "bytes_in",
                                           "packets_out",
                                           "bytes_out",
                                           NULL };
    struct json *reply = call("baton/mappings", NULL);
    const struct json *rows = member(reply, "mappings", JSON_ARRAY);

    json_table_format_times(rows, "since");
    json_table_print(NULL, rows, columns, &opts.style);
    json_destroy(reply);
}

static void
cmd_movable(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    static const char *const columns[] = { "movable",
                                           "device",
                                           "protocol",
                                           "permanent",
                                           "port",
                                           "service",
                                           "sessions",
                                           "half_open",
                                           "mapped",
                                           "passed_rate",
                                           "passed_sessions",
                                           "passed_half_open",
                                           "passed_per_source",
                                           "passed_device",
                                           "fragments",
                                           "suspensions",
                                           "suspended",
                                           NULL };
    struct json *reply = call("baton/mappings", NULL);

    json_table_print(NULL, member(reply, "services", JSON_ARRAY), columns,
                     &opts.style);
    json_destroy(reply);
}

static void
cmd_bridge_prepare(struct ovs_cmdl_context *ctx)
{
    struct json *reply = call("baton/bridge-prepare", ctx->argv[1]);

    printf("%s: %s\n", json_string(member(reply, "bridge", JSON_STRING)),
           json_string(member(reply, "tunnel", JSON_STRING)));
    json_destroy(reply);
}

static void
cmd_detach(struct ovs_cmdl_context *ctx)
{
    char *argv[] = { opts.force ? CONST_CAST(char *, "--force") : NULL,
                     ctx->argv[1], NULL };
    const struct json *database;
    struct json *reply;
    const char *name;

    char *error = controller_call(opts.target, "baton/detach",
                                  opts.force ? argv : argv + 1, &reply);
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    if (reply->type != JSON_OBJECT) {
        ovs_fatal(0, "the controller's answer to detach is no object");
    }
    name = json_string(member(reply, "bridge", JSON_STRING));
    database = shash_find_data(json_object(reply), "database");
    printf("%s: detached%s\n", name,
           database && database->type == JSON_TRUE
               ? ""
               : "; its database is not known (policy's \"ovsdb\"): if it "
                 "has a tunnel port of Baton's, that is still there");
    json_destroy(reply);
}

static void
cmd_attach(struct ovs_cmdl_context *ctx)
{
    json_destroy(call("baton/attach", ctx->argv[1]));
    printf("%s: attached\n", ctx->argv[1]);
}

static void
cmd_transfers(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    static const char *const columns[] = {
        "transfer", "address", "from",    "to",          "epoch",
        "state",    "outcome", "gone_us", "duration_us", "began",
        "name",     "service", "session", "reason",      NULL
    };

    struct json *reply = call("baton/transfers", NULL);
    const struct json *rows = member(reply, "transfers", JSON_ARRAY);

    if (opts.style.format == TF_TABLE || opts.style.format == TF_LIST) {
        json_table_format_times(rows, "began");
    }
    json_table_print(NULL, rows, columns, &opts.style);
    json_destroy(reply);
}

/* Returns the id of the newest transfer that is over, or, if none is, of the
 * newest.  The caller must free it. */
static char *
newest_transfer(void)
{
    struct json *reply = call("baton/transfers", NULL);
    const struct json_array *rows = json_array(
        member(reply, "transfers", JSON_ARRAY));
    const struct json *found = NULL;

    for (size_t i = 0; i < rows->n; i++) {
        const struct json *row = rows->elems[i];
        if (row->type != JSON_OBJECT) {
            continue;
        }
        if (strcmp(json_string(member(row, "outcome", JSON_STRING)), "open")) {
            found = row;
            break;
        }
        found = found ? found : row;
    }
    if (!found) {
        ovs_fatal(0, "the controller remembers no transfer");
    }

    char *id = xstrdup(json_string(member(found, "transfer", JSON_STRING)));
    json_destroy(reply);
    return id;
}

/* The steps as rows, for programs. */
static void
print_steps(const struct timeline *timeline)
{
    static const char *const columns[] = { "us", "side", "device", "step",
                                           NULL };
    struct json *rows = json_array_create_empty();

    for (size_t i = 0; i < timeline->n; i++) {
        const struct timeline_step *step = &timeline->steps[i];
        struct json *row = json_object_create();

        json_object_put(row, "us", json_integer_create(step->us));
        json_object_put_string(row, "side",
                               timeline_side_to_string(step->side));
        json_object_put_string(row, "device", timeline->devices[step->side]);
        json_object_put_string(row, "step", step->name);
        json_array_add(rows, row);
    }
    json_table_print(NULL, rows, columns, &opts.style);
    json_destroy(rows);
}

static void
cmd_transfer_timeline(struct ovs_cmdl_context *ctx)
{
    if (opts.last ? ctx->argc > 1 : ctx->argc < 2) {
        usage_error("transfer timeline: expected either a transfer or --last");
    }

    char *id = opts.last ? newest_transfer() : xstrdup(ctx->argv[1]);
    struct json *reply = call("baton/timeline", id);
    struct timeline timeline;
    char *error = timeline_init(&timeline, reply);
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    if (opts.style.format == TF_TABLE) {
        struct ds s = DS_EMPTY_INITIALIZER;
        timeline_draw(&timeline, &s);
        fputs(ds_cstr(&s), stdout);
        ds_destroy(&s);
    } else {
        print_steps(&timeline);
    }
    timeline_destroy(&timeline);
    json_destroy(reply);
    free(id);
}

/* Prints the flows that one packet meets.  'where' completes the caption. */
static void
print_trace(const struct json *reply, const char *direction, const char *where)
{
    static const char *const columns[] = { "bridge", "table",   "priority",
                                           "match",  "actions", NULL };
    const struct json *packet = member(reply, direction, JSON_OBJECT);
    char *caption = xasprintf(
        "a packet %s %s, %s: %s", direction,
        json_string(member(reply, "address", JSON_STRING)), where,
        json_string(member(packet, "end", JSON_STRING)));

    json_table_print(caption, member(packet, "hops", JSON_ARRAY), columns,
                     &opts.style);
    free(caption);
}

static void
print_trace_from(const struct json *reply)
{
    const char *owner = json_string(member(reply, "owner", JSON_STRING));
    char *where = xasprintf("sent by %s", owner[0] ? owner : "nobody");

    print_trace(reply, "from", where);
    free(where);
}

/* What there is of movable services at the address; nothing if there is
 * none. */
static void
print_mapped_traces(const struct json *reply)
{
    const struct json *services = shash_find_data(json_object(reply),
                                                  "services");
    const struct json *mapped = shash_find_data(json_object(reply), "mapped");

    for (size_t i = 0; services && i < json_array(services)->n; i++) {
        const struct json *service = json_array(services)->elems[i];
        char *where = xasprintf(
            "the first of a correspondent's to movable service %s",
            json_string(member(service, "movable", JSON_STRING)));

        print_trace(service, "to", where);
        free(where);
    }
    for (size_t i = 0; mapped && i < json_array(mapped)->n; i++) {
        const struct json *session = json_array(mapped)->elems[i];
        char *where = xasprintf(
            "sent by %s port %" PRId64 " to movable service %s",
            json_string(member(session, "correspondent", JSON_STRING)),
            json_integer(member(session, "correspondent_port", JSON_INTEGER)),
            json_string(member(session, "movable", JSON_STRING)));

        print_trace(session, "to", where);
        free(where);
        print_trace_from(session);
    }
    if (mapped && json_integer(member(reply, "more", JSON_INTEGER))) {
        printf("and %" PRId64 " more mapped sessions\n",
               json_integer(member(reply, "more", JSON_INTEGER)));
    }
}

static void
cmd_trace(struct ovs_cmdl_context *ctx)
{
    struct json *reply = call("baton/trace", ctx->argv[1]);
    const struct json *note = shash_find_data(json_object(reply), "note");

    if (note && note->type == JSON_STRING) {
        ovs_fatal(0, "%s: %s", ctx->argv[1], json_string(note));
    }
    print_trace(reply, "to", "sent by a correspondent");
    print_trace_from(reply);
    print_mapped_traces(reply);
    json_destroy(reply);
}

static void
cmd_policy_check(struct ovs_cmdl_context *ctx)
{
    bool ok = true;

    for (int i = 1; i < ctx->argc; i++) {
        char *error;
        struct policy *policy = policy_load(ctx->argv[i], &error);

        if (!policy) {
            fprintf(stderr, "%s\n", error);
            free(error);
            ok = false;
            continue;
        }
        printf("%s: good (bridges: %" PRIuSIZE ", pools: %" PRIuSIZE
               ", devices: %" PRIuSIZE ", services: %" PRIuSIZE
               ", moves: %" PRIuSIZE ")\n",
               ctx->argv[i], shash_count(&policy->bridges),
               shash_count(&policy->pools), shash_count(&policy->devices),
               shash_count(&policy->services), policy->n_rules);
        policy_destroy(policy);
    }
    if (!ok) {
        exit(EXIT_FAILURE);
    }
}

static void
cmd_policy_reload(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    json_destroy(call("baton/policy-reload", NULL));
    printf("reloaded\n");
}

/* The command line. */

static void OVS_NO_RETURN
usage(void)
{
    printf("%s: looks into a running baton-controller\n"
           "usage: %s [OPTIONS] COMMAND [ARG...]\n"
           "\nCommands:\n"
           "  show                    the controller, its bridges and leases\n"
           "  devices                 devices of the policy, and where they "
           "are\n"
           "  sessions                sessions, and who owns them\n"
           "  mappings                sessions that began on a permanent\n"
           "                          address, and their packets\n"
           "  movable                 services whose sessions are mapped,\n"
           "                          and what was not\n"
           "  transfers               transfers, the newest first\n"
           "  transfer timeline TRANSFER | --last\n"
           "                          the steps of one, drawn; TRANSFER is "
           "an id or\n"
           "                          its beginning\n"
           "  trace ADDRESS           the flows that packets to and from a "
           "session\n"
           "                          address meet, and where they end\n"
           "  bridge prepare BRIDGE   set up the bridge's tunnel port, as "
           "policy has it\n"
           "  detach [--force] BRIDGE remove every trace of Baton from a "
           "bridge; --force:\n"
           "                          though sessions are cut off\n"
           "  attach BRIDGE           take it on again\n"
           "  policy check FILE...    read policy files, without using them\n"
           "  policy reload           have the controller read its own again\n"
           "\nOptions:\n"
           "  --db=DATABASE           show, devices, sessions: look into the "
           "database, such\n"
           "                          as unix:FILE or ssl:IP:PORT, instead of "
           "asking the\n"
           "                          controller: what has moved, and is "
           "leased\n"
           "  -t, --target=TARGET     the controller's control socket, or the "
           "name of its\n"
           "                          pidfile (default: $BATON_CONTROLLER, or "
           "else\n"
           "                          baton-controller)\n"
           "  -T, --timeout=SECS      wait at most SECS for the controller "
           "(default: 30)\n"
           "  -f, --format=FORMAT     table (default), list, html, csv or "
           "json\n"
           "  --no-headings           leave out the headings\n"
           "  --pretty                indent JSON\n"
           "  -v, --verbose=...       what to log, and where\n"
           "  -h, --help              show this\n"
           "  -V, --version           show the version\n",
           program_name, program_name);
    exit(EXIT_SUCCESS);
}

/* Commands of one or two words. */
static const struct ovs_cmdl_command commands[] = {
    { "show", "", 0, 0, cmd_show, OVS_RO },
    { "devices", "", 0, 0, cmd_devices, OVS_RO },
    { "sessions", "", 0, 0, cmd_sessions, OVS_RO },
    { "mappings", "", 0, 0, cmd_mappings, OVS_RO },
    { "movable", "", 0, 0, cmd_movable, OVS_RO },
    { "transfers", "", 0, 0, cmd_transfers, OVS_RO },
    { "transfer timeline", "TRANSFER | --last", 0, 1, cmd_transfer_timeline,
      OVS_RO },
    { "trace", "ADDRESS", 1, 1, cmd_trace, OVS_RO },
    { "bridge prepare", "BRIDGE", 1, 1, cmd_bridge_prepare, OVS_RW },
    { "detach", "BRIDGE", 1, 1, cmd_detach, OVS_RW },
    { "attach", "BRIDGE", 1, 1, cmd_attach, OVS_RW },
    { "policy check", "FILE...", 1, INT_MAX, cmd_policy_check, OVS_RO },
    { "policy reload", "", 0, 0, cmd_policy_reload, OVS_RW },
    { NULL, NULL, 0, 0, NULL, OVS_RO },
};

static void
parse_options(int argc, char *argv[])
{
    enum {
        OPT_LAST = UCHAR_MAX + 1,
        OPT_DB,
        OPT_FORCE,
        SSL_OPTION_ENUMS,
        TABLE_OPTION_ENUMS,
        VLOG_OPTION_ENUMS,
    };
    static const struct option options[] = {
        { "target", required_argument, NULL, 't' },
        { "timeout", required_argument, NULL, 'T' },
        { "last", no_argument, NULL, OPT_LAST },
        { "force", no_argument, NULL, OPT_FORCE },
        { "db", required_argument, NULL, OPT_DB },
        STREAM_SSL_LONG_OPTIONS,
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        TABLE_LONG_OPTIONS,
        VLOG_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    static const char *const formats[] = { "table", "list", "html", "csv",
                                           "json" };
    char *short_options = ovs_cmdl_long_options_to_short_options(options);
    unsigned int timeout = 30;
    int c;

    while ((c = getopt_long(argc, argv, short_options, options, NULL)) != -1) {
        if (c == 'f') {
            size_t i = 0;
            while (i < ARRAY_SIZE(formats) && strcmp(optarg, formats[i])) {
                i++;
            }
            if (i >= ARRAY_SIZE(formats)) {
                usage_error("%s: not a format that there is", optarg);
            }
        }
        switch (c) {
        case 't': opts.target = optarg; break;

        case 'T':
            if (!str_to_uint(optarg, 10, &timeout)) {
                usage_error("%s: not a number of seconds", optarg);
            }
            break;

        case OPT_LAST: opts.last = true; break;

        case OPT_FORCE: opts.force = true; break;

        case OPT_DB:
            opts.db = optarg;
            break;

            STREAM_SSL_OPTION_HANDLERS

        case 'h': usage();

        case 'V':
            printf("%s (Baton) %s\n", program_name, PACKAGE_VERSION);
            exit(EXIT_SUCCESS);

            TABLE_OPTION_HANDLERS(&opts.style)
            VLOG_OPTION_HANDLERS

        case '?': exit(EXIT_USAGE);

        default: OVS_NOT_REACHED();
        }
    }
    free(short_options);
    ctl_timeout_setup(timeout);
}

/* Is 'command' what the 'argc' words of 'argv' begin with?  Returns how many
 * words it has, or 0. */
static int
match_command(const struct ovs_cmdl_command *command, int argc, char *argv[])
{
    const char *space = strchr(command->name, ' ');

    if (!space) {
        return argc >= 1 && !strcmp(argv[0], command->name) ? 1 : 0;
    }
    size_t n = space - command->name;
    return (argc >= 2 && strlen(argv[0]) == n
            && !strncmp(argv[0], command->name, n)
            && !strcmp(argv[1], space + 1))
               ? 2
               : 0;
}

static void
run_command(int argc, char *argv[])
{
    if (!argc) {
        usage_error("expected a command");
    }
    for (const struct ovs_cmdl_command *c = commands; c->name; c++) {
        int n_words = match_command(c, argc, argv);
        if (n_words) {
            /* As for main(): the arguments begin at 1. */
            struct ovs_cmdl_context ctx = {
                .argc = argc - n_words + 1,
                .argv = argv + n_words - 1,
            };
            if (ctx.argc - 1 < c->min_args || ctx.argc - 1 > c->max_args) {
                usage_error("usage: %s %s %s", program_name, c->name,
                            c->usage);
            }
            if (opts.db && c->handler != cmd_show && c->handler != cmd_devices
                && c->handler != cmd_sessions) {
                usage_error("%s: not from the database", c->name);
            }
            if (opts.last && c->handler != cmd_transfer_timeline) {
                usage_error("%s: --last is for \"transfer timeline\"",
                            c->name);
            }
            c->handler(&ctx);
            return;
        }
    }
    usage_error("%s%s%s: no such command", argv[0], argc > 1 ? " " : "",
                argc > 1 ? argv[1] : "");
}

int
main(int argc, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_EMER);
    parse_options(argc, argv);
    run_command(argc - optind, argv + optind);
    if (fflush(stdout) || ferror(stdout)) {
        ovs_fatal(errno, "cannot write to standard output");
    }
    return EXIT_SUCCESS;
}
