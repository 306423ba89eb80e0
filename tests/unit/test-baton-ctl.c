/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* baton-ctl against a controller that is played here. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"
#include "unit.h"

static char directory[] = "/tmp/test-baton-ctl-XXXXXX";
static char *socket_path;
static struct unixctl_server *server;

/* What the controller says. */

static void
answer(struct unixctl_conn *conn, int argc OVS_UNUSED,
       const char *argv[] OVS_UNUSED, void *text)
{
    unixctl_command_reply(conn, text);
}

static void
refuse(struct unixctl_conn *conn, int argc OVS_UNUSED,
       const char *argv[] OVS_UNUSED, void *text)
{
    unixctl_command_reply_error(conn, text);
}

static void
answer_timeline(struct unixctl_conn *conn, int argc OVS_UNUSED,
                const char *argv[], void *aux OVS_UNUSED)
{
    char *s = xasprintf("{\"transfer\":\"%s\",\"outcome\":\"committed\","
                        "\"sides\":[{\"role\":\"controller\",\"device\":"
                        "\"c1\",\"boot\":\"b\",\"steps\":[[\"prepare\",10],"
                        "[\"owned\",30]],\"counters\":{}}]}",
                        argv[1]);

    unixctl_command_reply(conn, s);
    free(s);
}

static void
register_commands(void)
{
    static char show[] =
        "{\"name\":\"c1\",\"version\":\"1\",\"uptime\":7,\"sessions\":2,"
        "\"transfers\":{\"committed\":3,\"aborted\":1},\"bridges\":["
        "{\"name\":\"br-home\",\"connected\":true,\"flows\":20}],"
        "\"tunnels\":[],\"leases\":[],\"names\":{}}";
    static char devices[] =
        "{\"devices\":[{\"name\":\"laptop\",\"connected\":true,\"groups\":"
        "[\"a\",\"b\"],\"zeal\":1},{\"name\":\"tv\",\"connected\":false}]}";
    static char sessions[] = "{\"sessions\":[]}";
    static char transfers[] =
        "{\"transfers\":[{\"transfer\":\"t3\",\"outcome\":\"open\"},"
        "{\"transfer\":\"t2\",\"outcome\":\"committed\",\"began\":"
        "1234567890123},"
        "{\"transfer\":\"t1\",\"outcome\":\"aborted\"}]}";
    static char trace[] =
        "{\"address\":\"10.1.0.130\",\"owner\":\"tv\",\"to\":{\"end\":"
        "\"port p-tv\",\"hops\":[{\"bridge\":\"br-home\",\"table\":0,\"priority\":0,\"match\":\"\","
        "\"actions\":\"resubmit(,1)\"}]},\"from\":{\"end\":\"NORMAL\","
        "\"hops\":[]}}";
    static char reload[] = "p.yaml:3:1: unknown key";

    unixctl_command_register("baton/show", "", 0, 0, answer, show);
    unixctl_command_register("baton/devices", "", 0, 0, answer, devices);
    unixctl_command_register("baton/sessions", "", 0, 0, answer, sessions);
    unixctl_command_register("baton/transfers", "", 0, 1, answer, transfers);
    unixctl_command_register("baton/timeline", "", 1, 1, answer_timeline,
                             NULL);
    unixctl_command_register("baton/trace", "", 1, 1, answer, trace);
    unixctl_command_register("baton/policy-reload", "", 0, 0, refuse, reload);
}

/* Running it. */

/* Runs baton-ctl with the words of 'arguments'.  Returns its exit code, and
 * what it printed (both streams) in '*output'. */
static int
run(const char *arguments, char **output)
{
    int fds[2];

    CU_ASSERT_FATAL(!pipe(fds));
    pid_t pid = fork();
    CU_ASSERT_FATAL(pid >= 0);
    if (!pid) {
        char *command = xasprintf("exec %s %s", BATON_CTL, arguments);
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(127);
    }
    close(fds[1]);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);

    struct ds s = DS_EMPTY_INITIALIZER;
    for (;;) {
        char buffer[4096];
        ssize_t n = read(fds[0], buffer, sizeof buffer);
        if (!n) {
            break;
        } else if (n > 0) {
            ds_put_buffer(&s, buffer, n);
        } else {
            unixctl_server_run(server);
            unixctl_server_wait(server);
            poll_fd_wait(fds[0], POLLIN);
            poll_block();
        }
    }
    close(fds[0]);

    int status;
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    *output = ds_steal_cstr(&s);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* baton-ctl with 'arguments' must exit with 'code', having printed each of
 * the strings that follow, up to a null pointer. */
static void
check(int code, const char *arguments, ...)
{
    char *output;
    char *full = xasprintf("-t %s %s", socket_path, arguments);
    int got = run(full, &output);
    va_list args;
    const char *part;

    CU_ASSERT_EQUAL(got, code);
    va_start(args, arguments);
    while ((part = va_arg(args, const char *))) {
        const char *found = strstr(output, part);
        CU_ASSERT_PTR_NOT_NULL(found);
        if (!found || got != code) {
            printf("baton-ctl %s: %d\n%s\nexpected: %d\n%s\n", arguments, got,
                   output, code, part);
        }
    }
    va_end(args);
    free(full);
    free(output);
}

/* What is to be true of it. */

static void
test_tables(void)
{
    check(0, "show", "controller\n", "transfers committed 3", "br-home",
          "datapath_id", "leases\n", NULL);
    check(0, "devices", "laptop true", "a, b", "zeal", NULL);
    check(0, "sessions", "session address name service owner", NULL);
    check(0, "transfers", "t3", "committed", NULL);
    check(0, "trace 10.1.0.130",
          "a packet to 10.1.0.130, sent by a "
          "correspondent: port p-tv\n",
          "resubmit(,1)", "a packet from 10.1.0.130, sent by tv: NORMAL\n",
          NULL);
}

static void
test_formats(void)
{
    check(0, "--format=csv devices",
          "name,connected,attached,bridge,port,"
          "mac,tunnel,groups,",
          "\nlaptop,true,,,,,,\"a, b\",", NULL);
    check(0, "--format=csv --no-headings transfers", "t3,", NULL);
    check(0, "-f json devices", "\"headings\":[\"name\",\"connected\"",
          "[\"laptop\",true,", NULL);
    check(0, "-f json show", "\"caption\":\"bridges\"", NULL);
    check(0, "-f list devices", ": laptop\n", NULL);
    check(0, "-f csv transfer timeline t1",
          "us,side,device,step\n"
          "0,controller,c1,prepare\n20,controller,c1,owned\n",
          NULL);
    check(2, "-f pdf devices", "pdf: not a format", NULL);
}

static void
test_timeline(void)
{
    check(0, "transfer timeline t9", "transfer t9: committed\n",
          "\n      20                 owned ", NULL);
    check(0, "transfer timeline --last", "transfer t2: committed\n", NULL);
    check(2, "transfer timeline", "expected either a transfer or --last",
          NULL);
    check(2, "transfer timeline --last t1",
          "expected either a transfer or --last", NULL);
    check(2, "show --last", "--last is for \"transfer timeline\"", NULL);
}

static void
test_policy(void)
{
    char *good = xasprintf("%s/good.yaml", directory);
    char *bad = xasprintf("%s/bad.yaml", directory);
    FILE *file = fopen(good, "w");
    fputs("controller: {devices: [\"pssl:1\"]}\n", file);
    fclose(file);
    file = fopen(bad, "w");
    fputs("controller: {devices: [\"pssl:1\"]}\nx: 1\n", file);
    fclose(file);

    char *both = xasprintf("policy check %s %s", good, bad);
    char *one = xasprintf("policy check %s", good);
    check(0, one, "good.yaml: good (bridges: 0, pools: 0", NULL);
    check(1, both, "good.yaml: good", "bad.yaml:2:1: unknown key \"x\"", NULL);
    check(1, "policy check /nonexistent", "/nonexistent: No such file", NULL);
    check(1, "policy reload", "p.yaml:3:1: unknown key\n", NULL);
    unlink(good);
    unlink(bad);
    free(good);
    free(bad);
    free(one);
    free(both);
}

static void
test_usage(void)
{
    check(0, "--help", "usage: baton-ctl", NULL);
    check(0, "-V", "baton-ctl (Baton) ", NULL);
    check(2, "", "expected a command", NULL);
    check(2, "fly away", "fly away: no such command", NULL);
    check(2, "policy", "policy: no such command", NULL);
    check(2, "show me", "usage: baton-ctl show", NULL);
    check(2, "trace", "usage: baton-ctl trace ADDRESS", NULL);
    check(2, "--bogus show", "unrecognized option", NULL);
    check(2, "-T soon show", "soon: not a number of seconds", NULL);
}

static void
test_not_running(void)
{
    char *output;

    CU_ASSERT_EQUAL(run("-t /nonexistent/x.ctl show", &output), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(output, "/nonexistent/x.ctl: no controller "
                                          "answers there (No such file or "
                                          "directory)."));
    free(output);

    setenv("OVS_RUNDIR", directory, 1);
    char *pidfile = xasprintf("(%s/baton-controller.pid: No such file or "
                              "directory)",
                              directory);
    CU_ASSERT_EQUAL(run("show", &output), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(output, "baton-controller is not running"));
    CU_ASSERT_PTR_NOT_NULL(strstr(output, pidfile));
    free(output);
    free(pidfile);

    setenv("BATON_CONTROLLER", socket_path, 1);
    CU_ASSERT_EQUAL(run("devices", &output), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(output, "laptop"));
    free(output);
    unsetenv("BATON_CONTROLLER");
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    static const struct unit_test tests[] = {
        { "tables", test_tables },     { "formats", test_formats },
        { "timeline", test_timeline }, { "policy", test_policy },
        { "usage", test_usage },       { "not_running", test_not_running },
    };

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);
    if (!mkdtemp(directory)) {
        ovs_fatal(errno, "%s", directory);
    }
    socket_path = xasprintf("%s/ctl", directory);
    register_commands();
    if (unixctl_server_create(socket_path, &server)) {
        ovs_fatal(0, "%s: cannot listen", socket_path);
    }

    int result = unit_run("baton-ctl", tests, ARRAY_SIZE(tests));

    unixctl_server_destroy(server);
    unlink(socket_path);
    free(socket_path);
    rmdir(directory);
    return result;
}
