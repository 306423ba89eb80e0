/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command-line.h"
#include "controller.h"
#include "ctl.h"
#include "daemon.h"
#include "database-server.h"
#include "dummy.h"
#include "fatal-signal.h"
#include "fault.h"
#include "latency.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "signals.h"
#include "socket-util.h"
#include "stream.h"
#include "stream-ssl.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(baton_controller);

#define EMBEDDED "embedded:"

struct options {
    char *private_key;
    char *certificate;
    char *ca_cert;
    char *unixctl_path;
    const char *database;
    bool enable_dummy; /* Tests may stop and warp the time. */
    bool no_realtime;
    const char *policy_file;
};

static void OVS_NO_RETURN
usage(void)
{
    printf("%s: Baton's controller\n"
           "usage: %s [OPTIONS] POLICY\n"
           "where POLICY is a policy file in YAML.\n",
           program_name, program_name);
    stream_usage("", true, true, false);
    daemon_usage();
    vlog_usage();
    printf("\nOther options:\n"
           "  --db=embedded:DIR       run an ovsdb-server on a file in DIR "
           "(default:\n"
           "                          embedded:" BATON_STATEDIR ")\n"
           "  --db=DATABASE           use the database there, such as "
           "unix:FILE or\n"
           "                          ssl:IP:PORT\n"
           "  --no-realtime           do not ask for a real-time priority\n"
           "  --unixctl=SOCKET        override default control socket name\n"
           "  -h, --help              display this help message\n"
           "  -V, --version           display version information\n");
    exit(EXIT_SUCCESS);
}

static void
parse_options(int argc, char *argv[], struct options *options)
{
    enum {
        OPT_UNIXCTL = UCHAR_MAX + 1,
        OPT_ENABLE_DUMMY,
        OPT_NO_REALTIME,
        OPT_DB,
        VLOG_OPTION_ENUMS,
        DAEMON_OPTION_ENUMS,
        SSL_OPTION_ENUMS,
    };
    static const struct option long_options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { "enable-dummy", no_argument, NULL, OPT_ENABLE_DUMMY },
        { "no-realtime", no_argument, NULL, OPT_NO_REALTIME },
        { "db", required_argument, NULL, OPT_DB },
        { "unixctl", required_argument, NULL, OPT_UNIXCTL },
        VLOG_LONG_OPTIONS,
        DAEMON_LONG_OPTIONS,
        STREAM_SSL_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);

    memset(options, 0, sizeof *options);
    options->database = EMBEDDED BATON_STATEDIR;
    for (;;) {
        int c = getopt_long(argc, argv, short_options, long_options, NULL);

        if (c == -1) {
            break;
        }
        switch (c) {
        case 'p':
            options->private_key = optarg;
            stream_ssl_set_private_key_file(optarg);
            break;

        case 'c':
            options->certificate = optarg;
            stream_ssl_set_certificate_file(optarg);
            break;

        case 'C':
            options->ca_cert = optarg;
            stream_ssl_set_ca_cert_file(optarg, false);
            break;

        case OPT_SSL_PROTOCOLS: stream_ssl_set_protocols(optarg); break;

        case OPT_SSL_CIPHERS: stream_ssl_set_ciphers(optarg); break;

        case OPT_ENABLE_DUMMY: options->enable_dummy = true; break;

        case OPT_NO_REALTIME: options->no_realtime = true; break;

        case OPT_DB: options->database = optarg; break;

        case OPT_UNIXCTL: options->unixctl_path = optarg; break;

        case 'h': usage();

        case 'V':
            printf("%s (Baton) %s\n", program_name, PACKAGE_VERSION);
            exit(EXIT_SUCCESS);

            VLOG_OPTION_HANDLERS
            DAEMON_OPTION_HANDLERS

        case '?': exit(EXIT_FAILURE);

        default: abort();
        }
    }
    free(short_options);

    if (argc - optind != 1) {
        ovs_fatal(0, "exactly one policy file is needed; "
                     "use --help for usage");
    }
    options->policy_file = argv[optind];
    if (!options->private_key || !options->certificate || !options->ca_cert) {
        ovs_fatal(0, "--private-key, --certificate and --ca-cert are needed");
    }
}

/* Relative names must still be good in the directory that --detach goes to. */
static char *
absolute(const char *file_name)
{
    return abs_file_name(NULL, file_name);
}

/* Signals become bytes in a pipe, which the main loop polls.  Handlers are
 * there before libopenvswitch looks, so that it leaves these signals to us. */
static int signal_fds[2];

static void
signal_handler(int signr)
{
    char c = signr;

    ignore(write(signal_fds[1], &c, 1));
}

static void
signals_init(void)
{
    static const int signals[] = { SIGHUP, SIGTERM, SIGINT };
    struct sigaction sa;

    xpipe_nonblocking(signal_fds);
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = signal_handler;
    sa.sa_flags = SA_RESTART;
    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        xsigaction(signals[i], &sa, NULL);
    }
}

static void
signals_run(struct controller *controller, struct ctl_exit *ending)
{
    char c;

    while (read(signal_fds[0], &c, 1) == 1) {
        if (c == SIGHUP) {
            vlog_reopen_log_file();
            free(controller_reload(controller));
        } else {
            VLOG_INFO("ended by a signal");
            ending->exiting = true;
        }
    }
}

static void
main_loop(struct controller *controller, struct database_server *database,
          struct unixctl_server *unixctl, struct ctl_exit *ending)
{
    while (!ending->exiting) {
        latency_run();
        signals_run(controller, ending);
        database_server_run(database);
        controller_run(controller);
        unixctl_server_run(unixctl);

        poll_fd_wait(signal_fds[0], POLLIN);
        database_server_wait(database);
        latency_wait();
        controller_wait(controller);
        unixctl_server_wait(unixctl);
        if (ending->exiting) {
            poll_immediate_wake();
        }
        poll_block();
    }
}

int
main(int argc, char *argv[])
{
    struct ctl_exit ending = { false, false };
    char *policy, *key, *certificate, *ca_cert;
    struct database_server *database = NULL;
    struct unixctl_server *unixctl;
    struct controller *controller;
    struct options options;
    const char *remote;
    char *error = NULL;
    char *directory;

    ovs_set_program_name(argv[0], PACKAGE_VERSION);
    ovs_cmdl_proctitle_init(argc, argv);
    service_start(&argc, &argv);
    parse_options(argc, argv, &options);
    fatal_ignore_sigpipe();
    signals_init();
    policy = absolute(options.policy_file);
    key = absolute(options.private_key);
    certificate = absolute(options.certificate);
    ca_cert = absolute(options.ca_cert);
    directory = !strncmp(options.database, EMBEDDED, strlen(EMBEDDED))
                    ? absolute(options.database + strlen(EMBEDDED))
                    : NULL;

    daemonize_start(false);
    if (unixctl_server_create(options.unixctl_path, &unixctl)) {
        exit(EXIT_FAILURE);
    }
    fault_init();
    latency_init(!options.no_realtime);
    if (options.enable_dummy) {
        timeval_dummy_register();
    }
    if (directory) {
        database = database_server_start(directory, &error);
        if (!database) {
            ovs_fatal(0, "%s", error);
        }
    }
    remote = database ? database_server_get_remote(database)
                      : options.database;
    controller = controller_create(policy, key, certificate, ca_cert, remote,
                                   &error);
    if (!controller) {
        ovs_fatal(0, "%s", error);
    }
    ctl_register(controller, &ending);
    daemonize_complete();

    main_loop(controller, database, unixctl, &ending);

    controller_destroy(controller, ending.detach);
    database_server_stop(database);
    unixctl_server_destroy(unixctl);
    free(policy);
    free(key);
    free(certificate);
    free(ca_cert);
    free(directory);
    service_stop();
    return 0;
}
