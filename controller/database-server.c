/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "database-server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "database-file.h"
#include "latency.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(database_server);

#define START_SECONDS 60 /* That a big file may take to be read. */
#define STOP_SECONDS 10
#define RETRY_MS 1000

struct database_server {
    char *directory;
    char *file;   /* baton.db */
    char *schema; /* baton.ovsschema */
    char *remote;
    pid_t pid; /* 0: not running. */
    long long int restart_at;
};

/* Programs and the schema. */

static char *
find_in(const char *directory, const char *name)
{
    char *path = directory ? xasprintf("%s/%s", directory, name) : NULL;

    if (path && access(path, R_OK)) {
        free(path);
        return NULL;
    }
    return path;
}

/* Finds 'name' in PATH, or where daemons are. */
static char *
find_program(const char *name)
{
    static const char *const more[] = { "/usr/sbin", "/usr/local/sbin" };
    const char *search = getenv("PATH");
    char *copy = xstrdup(search ? search : "");
    char *path = find_in(getenv("OVS_BIN"), name);
    char *save = NULL;

    for (char *p = strtok_r(copy, ":", &save); p && !path;
         p = strtok_r(NULL, ":", &save)) {
        path = find_in(p, name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(more) && !path; i++) {
        path = find_in(more[i], name);
    }
    free(copy);
    return path ? path : xstrdup(name);
}

static char *
find_schema(void)
{
    char *path = find_in(getenv("BATON_SCHEMA_DIR"), "baton.ovsschema");

    return path ? path : xstrdup(BATON_PKGDATADIR "/baton.ovsschema");
}

/* Running them. */

/* In the child: starts 'argv', with 'output' as standard output and error. */
static void OVS_NO_RETURN
exec_child(const char *const argv[], int output)
{
    int null = open("/dev/null", O_RDWR);
    sigset_t none;

    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    closefrom(3);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(argv[0], (char **) argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Runs 'argv' to its end.  Returns NULL and its output in '*outputp', or what
 * it said was wrong. */
static char *
run_tool(char **outputp, const char *tool, const char *a, const char *b,
         const char *c)
{
    char *program = find_program("ovsdb-tool");
    const char *argv[] = { program, "-vconsole:err", tool, a, b, c, NULL };
    struct ds output = DS_EMPTY_INITIALIZER;
    char *error = NULL;
    int fds[2], status;
    char buffer[1024];
    ssize_t n;
    pid_t pid;

    xpipe(fds);
    pid = fork();
    if (!pid) {
        exec_child(argv, fds[1]);
    }
    close(fds[1]);
    while (pid > 0 && (n = read(fds[0], buffer, sizeof buffer)) > 0) {
        ds_put_buffer(&output, buffer, n);
    }
    close(fds[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
        ds_chomp(&output, '\n');
        error = xasprintf("ovsdb-tool %s failed: %s", tool, ds_cstr(&output));
    }
    ds_chomp(&output, '\n');
    if (outputp) {
        *outputp = error ? NULL : ds_steal_cstr(&output);
    }
    ds_destroy(&output);
    free(program);
    return error;
}

/* The file. */

/* -1, 0, 1: version 'a' is before, the same as, after 'b'. */
static int
compare_versions(const char *a, const char *b)
{
    int x[3] = { 0, 0, 0 }, y[3] = { 0, 0, 0 };

    if (!ovs_scan(a, "%d.%d.%d", &x[0], &x[1], &x[2])
        || !ovs_scan(b, "%d.%d.%d", &y[0], &y[1], &y[2])) {
        return strcmp(a, b);
    }
    for (int i = 0; i < 3; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}

static char *
copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    char buffer[65536];
    bool good = in && out;
    char *error = NULL;
    size_t n;

    while (good && (n = fread(buffer, 1, sizeof buffer, in)) > 0) {
        good = fwrite(buffer, 1, n, out) == n;
    }
    good = good && !ferror(in) && !fflush(out) && !fsync(fileno(out));
    if (!good) {
        error = xasprintf("%s: cannot be written (%s)", to,
                          ovs_strerror(errno));
    }
    if (in) {
        fclose(in);
    }
    if (out) {
        fclose(out);
    }
    return error;
}

/* Makes the file's schema ours, after a copy. */
static char *
upgrade(const struct database_server *server)
{
    char *was = NULL, *is = NULL, *needs = NULL, *copy = NULL;
    char *error;

    error = run_tool(&was, "db-version", server->file, NULL, NULL);
    if (!error) {
        error = run_tool(&is, "schema-version", server->schema, NULL, NULL);
    }
    if (!error) {
        error = run_tool(&needs, "needs-conversion", server->file,
                         server->schema, NULL);
    }
    if (!error && !strcmp(needs, "yes")) {
        if (compare_versions(was, is) > 0) {
            error = xasprintf("%s: its schema has version %s, and this "
                              "program knows %s: use a Baton as new as the "
                              "one that wrote it",
                              server->file, was, is);
        } else {
            copy = xasprintf("%s.backup-%s", server->file, was);
            error = copy_file(server->file, copy);
        }
        if (!error) {
            VLOG_INFO("%s: from schema version %s to %s; a copy is in %s",
                      server->file, was, is, copy);
            error = run_tool(NULL, "convert", server->file, server->schema,
                             NULL);
        }
    }
    free(was);
    free(is);
    free(needs);
    free(copy);
    return error;
}

/* What was being written when the power failed is no record; it is kept, all
 * the same. */
static char *
keep_unfinished(const struct database_server *server, off_t good, off_t size)
{
    char *copy = xasprintf("%s.unfinished-%lld", server->file,
                           (long long int) good);
    char *error = copy_file(server->file, copy);

    VLOG_WARN("%s: its last record, of %lld bytes, was never finished and is "
              "left out; a copy of the file is in %s",
              server->file, (long long int) (size - good), copy);
    if (!error && truncate(server->file, good)) {
        error = xasprintf("%s: cannot be cut (%s)", server->file,
                          ovs_strerror(errno));
    }
    free(copy);
    return error;
}

static char *
prepare_file(const struct database_server *server)
{
    off_t good, size;
    char *error;

    if (access(server->file, F_OK)) {
        VLOG_INFO("%s: created", server->file);
        return run_tool(NULL, "create", server->file, server->schema, NULL);
    }
    error = database_file_check(server->file, &good, &size);
    if (!error && good < size) {
        error = keep_unfinished(server, good, size);
    }
    return error ? error : upgrade(server);
}

/* The process. */

static char *
file_in(const struct database_server *server, const char *name)
{
    return xasprintf("%s/%s", server->directory, name);
}

static pid_t
fork_server(const struct database_server *server)
{
    char *program = find_program("ovsdb-server");
    char *remote = xasprintf("--remote=punix:%s/db.sock", server->directory);
    char *ctl = xasprintf("--unixctl=%s/ovsdb-server.ctl", server->directory);
    char *pidfile = xasprintf("--pidfile=%s/ovsdb-server.pid",
                              server->directory);
    char *log = xasprintf("--log-file=%s/ovsdb-server.log", server->directory);
    const char *argv[] = {
        program, server->file,    remote,         ctl,           pidfile,
        log,     "-vconsole:off", "-vsyslog:off", "-vfile:info", "--no-chdir",
        NULL
    };
    char *output = file_in(server, "ovsdb-server.err");
    pid_t parent = getpid();
    pid_t pid = fork();

    if (!pid) {
        int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        /* Not to be ended by the Ctrl-C that ends its controller, but by the
         * controller's end. */
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) {
            _exit(0);
        }
        latency_init_child();
        exec_child(argv, fd);
    }
    free(program);
    free(remote);
    free(ctl);
    free(pidfile);
    free(log);
    free(output);
    return pid;
}

/* Has it ended?  Then 'pid' is forgotten. */
static bool
has_ended(struct database_server *server)
{
    int status;

    if (server->pid && waitpid(server->pid, &status, WNOHANG) == server->pid) {
        server->pid = 0;
    }
    return !server->pid;
}

static bool
answers(const struct database_server *server)
{
    char *path = file_in(server, "db.sock");
    int fd = make_unix_socket(SOCK_STREAM, false, NULL, path);

    if (fd >= 0) {
        close(fd);
    }
    free(path);
    return fd >= 0;
}

/* The last line of 'file_name', or NULL. */
static char *
last_line(const char *file_name)
{
    FILE *file = fopen(file_name, "r");
    struct ds line = DS_EMPTY_INITIALIZER;
    char *last = NULL;

    while (file && !ds_get_line(&line, file)) {
        if (line.length) {
            free(last);
            last = xstrdup(ds_cstr(&line));
        }
    }
    ds_destroy(&line);
    if (file) {
        fclose(file);
    }
    return last;
}

static char *
wait_for_answer(struct database_server *server)
{
    long long int deadline = time_wall_msec() + START_SECONDS * 1000;

    while (!answers(server)) {
        bool late = time_wall_msec() > deadline;

        if (has_ended(server) || late) {
            char *output = file_in(server, "ovsdb-server.err");
            char *said = last_line(output);
            char *error = xasprintf("%s: ovsdb-server %s: %s", server->file,
                                    late ? "does not answer" : "ended at once",
                                    said ? said : "see its log");

            free(output);
            free(said);
            return error;
        }
        /* time_poll() would let signals of the fatal kind end us here. */
        poll(NULL, 0, 5);
    }
    return NULL;
}

/* A server that was ours before may still be ending: the lock is its. */
static char *
start(struct database_server *server)
{
    long long int deadline = time_wall_msec() + STOP_SECONDS * 1000;
    char *error = prepare_file(server);

    while (!error) {
        server->pid = fork_server(server);
        if (server->pid < 0) {
            server->pid = 0;
            return xasprintf("cannot start ovsdb-server (%s)",
                             ovs_strerror(errno));
        }
        error = wait_for_answer(server);
        if (!error) {
            return NULL;
        }
        if (!strstr(error, "lock") || time_wall_msec() > deadline) {
            break;
        }
        free(error);
        error = NULL;
        poll(NULL, 0, 50);
    }
    return error;
}

struct database_server *
database_server_start(const char *directory, char **errorp)
{
    struct database_server *server = xzalloc(sizeof *server);

    server->directory = xstrdup(directory);
    server->file = file_in(server, "baton.db");
    server->remote = xasprintf("unix:%s/db.sock", directory);
    server->schema = find_schema();
    if (mkdir(directory, 0700) && errno != EEXIST) {
        *errorp = xasprintf("%s: cannot be created (%s)", directory,
                            ovs_strerror(errno));
    } else {
        *errorp = start(server);
    }
    if (*errorp) {
        database_server_stop(server);
        return NULL;
    }
    return server;
}

void
database_server_stop(struct database_server *server)
{
    if (server) {
        long long int deadline = time_wall_msec() + STOP_SECONDS * 1000;

        if (server->pid) {
            kill(server->pid, SIGTERM);
            while (!has_ended(server)) {
                if (time_wall_msec() > deadline) {
                    kill(server->pid, SIGKILL);
                }
                poll(NULL, 0, 2);
            }
        }
        free(server->directory);
        free(server->file);
        free(server->schema);
        free(server->remote);
        free(server);
    }
}

void
database_server_run(struct database_server *server)
{
    if (!server || !has_ended(server)) {
        return;
    }
    if (!server->restart_at) {
        VLOG_WARN("%s: ovsdb-server has ended; it is started again",
                  server->file);
        server->restart_at = time_msec();
    }
    if (time_msec() >= server->restart_at) {
        char *error = start(server);

        if (error) {
            VLOG_ERR("%s", error);
            free(error);
            server->restart_at = time_msec() + RETRY_MS;
        } else {
            server->restart_at = 0;
        }
    }
}

void
database_server_wait(struct database_server *server)
{
    if (server && server->restart_at) {
        poll_timer_wait_until(server->restart_at);
    }
}

const char *
database_server_get_remote(const struct database_server *server)
{
    return server->remote;
}
