/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "agent-loop.h"
#include "agent-show.h"
#include "agent.h"
#include "command-line.h"
#include "daemon.h"
#include "dummy.h"
#include "fatal-signal.h"
#include "fault.h"
#include "latency.h"
#include "memory.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "simap.h"
#include "stream-ssl.h"
#include "stream.h"
#include "svec.h"
#include "timeval.h"
#include "tunnel-ends.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(baton_agentd);

static struct agent_config config = {
    .listen = "pssl:6655",
    .socket = BATON_RUNDIR "/agent.sock",
    .state_dir = BATON_STATEDIR,
};
static struct svec interfaces = SVEC_EMPTY_INITIALIZER;
static char *unixctl_path;
static bool enable_dummy; /* Tests may stop and warp the time. */
static bool realtime = true;

static void OVS_NO_RETURN
usage(void)
{
    printf("%s: lets the sessions of this device move\n"
           "usage: %s [OPTIONS] CONTROLLER\n"
           "where CONTROLLER is ssl:IP[:PORT], default port 6654.\n",
           program_name, program_name);
    stream_usage("CONTROLLER", true, false, false);
    printf("\nAgent options:\n"
           "  --listen=pssl:PORT:IP   where other devices' agents reach this\n"
           "                          one (default: %s)\n"
           "  --interface=NAME        an interface that may lead to a bridge\n"
           "                          of the controller's; may be repeated\n"
           "                          (default: every Ethernet interface)\n"
           "  --socket=FILE           where applications connect\n"
           "                          (default: %s)\n"
           "  --state-dir=DIR         what survives a restart of the agent\n"
           "                          (default: %s)\n",
           config.listen, config.socket, config.state_dir);
    daemon_usage();
    vlog_usage();
    printf("\nOther options:\n"
           "  --no-realtime           do not ask for a real-time priority\n"
           "  --unixctl=SOCKET        override default control socket name\n"
           "  -h, --help              display this help message\n"
           "  -V, --version           display version information\n");
    exit(EXIT_SUCCESS);
}

static void
parse_options(int argc, char *argv[])
{
    enum {
        OPT_LISTEN = UCHAR_MAX + 1,
        OPT_INTERFACE,
        OPT_SOCKET,
        OPT_STATE_DIR,
        OPT_UNIXCTL,
        OPT_ENABLE_DUMMY,
        OPT_NO_REALTIME,
        DAEMON_OPTION_ENUMS,
        VLOG_OPTION_ENUMS,
        SSL_OPTION_ENUMS,
    };
    static const struct option long_options[] = {
        { "listen", required_argument, NULL, OPT_LISTEN },
        { "interface", required_argument, NULL, OPT_INTERFACE },
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "state-dir", required_argument, NULL, OPT_STATE_DIR },
        { "unixctl", required_argument, NULL, OPT_UNIXCTL },
        { "enable-dummy", no_argument, NULL, OPT_ENABLE_DUMMY },
        { "no-realtime", no_argument, NULL, OPT_NO_REALTIME },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        DAEMON_LONG_OPTIONS,
        VLOG_LONG_OPTIONS,
        STREAM_SSL_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);

    for (;;) {
        int c = getopt_long(argc, argv, short_options, long_options, NULL);

        if (c == -1) {
            break;
        }
        switch (c) {
        case OPT_LISTEN: config.listen = optarg; break;
        case OPT_INTERFACE: svec_add(&interfaces, optarg); break;
        case OPT_SOCKET: config.socket = optarg; break;
        case OPT_STATE_DIR: config.state_dir = optarg; break;
        case OPT_UNIXCTL: unixctl_path = optarg; break;
        case OPT_ENABLE_DUMMY: enable_dummy = true; break;
        case OPT_NO_REALTIME: realtime = false; break;
        case 'h': usage();
        case 'V': ovs_print_version(0, 0); exit(EXIT_SUCCESS);
        case 'p':
            config.private_key = optarg;
            stream_ssl_set_private_key_file(optarg);
            break;
        case 'c':
            config.certificate = optarg;
            stream_ssl_set_certificate_file(optarg);
            break;
        case 'C':
            config.ca_cert = optarg;
            stream_ssl_set_ca_cert_file(optarg, false);
            break;
        case OPT_SSL_PROTOCOLS: stream_ssl_set_protocols(optarg); break;
        case OPT_SSL_CIPHERS:
            stream_ssl_set_ciphers(optarg);
            break;
            DAEMON_OPTION_HANDLERS
            VLOG_OPTION_HANDLERS
        case '?': exit(EXIT_FAILURE);
        default: abort();
        }
    }
    free(short_options);

    if (argc - optind != 1) {
        ovs_fatal(0, "one argument is required, the controller "
                     "(\"ssl:IP:PORT\"); use --help for usage");
    }
    config.controller = argv[optind];
    if (!config.private_key || !config.certificate || !config.ca_cert) {
        ovs_fatal(0, "--private-key, --certificate and --ca-cert are "
                     "required; baton-pki makes them");
    }
    svec_terminate(&interfaces);
    config.ifnames = (const char *const *) interfaces.names;
}

static void
unixctl_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *exiting_)
{
    bool *exiting = exiting_;

    *exiting = true;
    unixctl_command_reply(conn, NULL);
}

static void
unixctl_show(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *agent)
{
    struct json *json = agent_show(agent);
    char *s = json_to_string(json, JSSF_PRETTY | JSSF_SORT);

    unixctl_command_reply(conn, s);
    free(s);
    json_destroy(json);
}

/* A signal ends the agent: the tunnels go, as when it is told to exit.  Its
 * sessions elsewhere go on without it. */
static void
close_tunnels(void *agentp)
{
    struct agent **agent = agentp;

    if (*agent) {
        tunnel_ends_close(*agent);
    }
}

int
main(int argc, char *argv[])
{
    struct unixctl_server *unixctl;
    static struct agent *agent;
    bool exiting = false;
    char *error;

    ovs_set_program_name("baton-agentd", PACKAGE_VERSION);
    service_start(&argc, &argv);
    parse_options(argc, argv);
    fatal_ignore_sigpipe();
    if (mkdir(config.state_dir, 0700) && errno != EEXIST) {
        ovs_fatal(errno, "%s: cannot create", config.state_dir);
    }

    daemonize_start(false);
    if (unixctl_server_create(unixctl_path, &unixctl)) {
        exit(EXIT_FAILURE);
    }
    fault_init();
    latency_init(realtime);
    if (enable_dummy) {
        timeval_dummy_register();
    }
    unixctl_command_register("exit", "", 0, 0, unixctl_exit, &exiting);
    if (agent_loop_create(&config, &agent, &error)) {
        ovs_fatal(0, "%s", error);
    }
    fatal_signal_add_hook(close_tunnels, NULL, &agent, false);
    unixctl_command_register("agent/show", "", 0, 0, unixctl_show, agent);
    daemonize_complete();
    VLOG_INFO("baton-agentd " PACKAGE_VERSION " started");

    while (!exiting) {
        latency_run();
        agent_loop_run(agent);
        unixctl_server_run(unixctl);

        latency_wait();
        agent_loop_wait(agent);
        unixctl_server_wait(unixctl);
        poll_block();
    }
    agent_loop_destroy(agent);
    agent = NULL;
    unixctl_server_destroy(unixctl);
    svec_destroy(&interfaces);
    service_stop();
    return 0;
}
