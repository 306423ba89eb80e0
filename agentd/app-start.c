/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "app-start.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fatal-signal.h"
#include "openvswitch/util.h"
#include "svec.h"
#include "util.h"

#define GROUPS_MAX 256

/* Everything that the child needs, made before the fork: after it, other
 * threads' locks may be held for good. */
struct plan {
    char *const *argv;
    char **envp;
    char pid_variable[32]; /* "LISTEN_PID=...", one of 'envp'. */
    bool change_user;
    uid_t uid;
    gid_t gid;
    gid_t groups[GROUPS_MAX];
    int n_groups;
    int fd;        /* Becomes 3. */
    int report_fd; /* Becomes 4: takes errno if exec fails. */
};

static void
plan_environment(struct plan *plan, struct svec *env, const char *socket_path,
                 const char *service)
{
    static const char *const ours[] = { "LISTEN_FDS=", "LISTEN_PID=",
                                        "LISTEN_FDNAMES=", "BATON_SOCKET=",
                                        "BATON_SERVICE=" };

    for (char **e = environ; *e; e++) {
        bool skip = false;

        for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
            skip |= !strncmp(*e, ours[i], strlen(ours[i]));
        }
        if (!skip) {
            svec_add(env, *e);
        }
    }
    svec_add(env, "LISTEN_FDS=1");
    svec_add(env, "LISTEN_FDNAMES=baton");
    svec_add_nocopy(env, xasprintf("BATON_SOCKET=%s", socket_path));
    svec_add_nocopy(env, xasprintf("BATON_SERVICE=%s", service));
    svec_terminate(env);

    plan->envp = xmalloc((env->n + 2) * sizeof *plan->envp);
    memcpy(plan->envp, env->names, env->n * sizeof *plan->envp);
    plan->envp[env->n] = plan->pid_variable;
    plan->envp[env->n + 1] = NULL;
}

static int
plan_user(struct plan *plan, uid_t uid, char **errorp)
{
    struct passwd *pw;

    plan->change_user = uid != (uid_t) -1 && uid != geteuid();
    if (!plan->change_user) {
        return 0;
    }
    plan->uid = uid;
    pw = getpwuid(uid);
    if (!pw) {
        *errorp = xasprintf("uid %ld: no such user", (long int) uid);
        return ENOENT;
    }
    plan->gid = pw->pw_gid;
    plan->n_groups = GROUPS_MAX;
    if (getgrouplist(pw->pw_name, pw->pw_gid, plan->groups, &plan->n_groups)
        < 0) {
        plan->n_groups = GROUPS_MAX;
    }
    return 0;
}

/* In the child: only what is safe after a fork of a process with threads. */
static void OVS_NO_RETURN
become(struct plan *plan)
{
    static const char prefix[] = "LISTEN_PID=";
    struct sigaction dfl = { .sa_handler = SIG_DFL };
    char digits[16];
    size_t n = 0;
    sigset_t none;
    char *p = plan->pid_variable + sizeof prefix - 1;
    int report, sock, error;

    memcpy(plan->pid_variable, prefix, sizeof prefix);
    for (pid_t pid = getpid(); pid; pid /= 10) {
        digits[n++] = '0' + pid % 10;
    }
    while (n) {
        *p++ = digits[--n];
    }
    *p = '\0';

    /* Out of the way of 3 and 4 first, then there. */
    sock = fcntl(plan->fd, F_DUPFD, 5);
    report = fcntl(plan->report_fd, F_DUPFD, 5);
    dup2(sock, 3);
    dup3(report, 4, O_CLOEXEC);
    syscall(SYS_close_range, 5, ~0u, 0);

    for (int sig = 1; sig < NSIG; sig++) {
        sigaction(sig, &dfl, NULL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (chdir("/")) {
        /* Not a reason to stay away. */
    }
    if (plan->change_user
        && (setgroups(plan->n_groups, plan->groups) || setgid(plan->gid)
            || setuid(plan->uid))) {
        error = errno;
    } else {
        execve(plan->argv[0], plan->argv, plan->envp);
        error = errno;
    }
    if (write(4, &error, sizeof error) != sizeof error) {
        /* Nobody is left to be told. */
    }
    _exit(127);
}

static int
run(struct plan *plan, const int report[2], pid_t *pidp, char **errorp)
{
    int child_error = 0;
    ssize_t n;
    pid_t pid;

    pid = fork();
    if (pid < 0) {
        *errorp = xasprintf("fork: %s", ovs_strerror(errno));
        return errno;
    } else if (!pid) {
        become(plan);
    }
    close(report[1]);
    do {
        n = read(report[0], &child_error, sizeof child_error);
    } while (n < 0 && errno == EINTR);
    close(report[0]);
    if (n == sizeof child_error && child_error) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
            continue;
        }
        *errorp = xasprintf("%s: cannot be started: %s", plan->argv[0],
                            ovs_strerror(child_error));
        return child_error;
    }
    *pidp = pid;
    return 0;
}

int
app_start(const char *socket_path, const char *service, char *const argv[],
          uid_t uid, int *fdp, pid_t *pidp, char **errorp)
{
    struct svec env = SVEC_EMPTY_INITIALIZER;
    struct plan plan = { .argv = argv };
    int report[2];
    int pair[2];
    int error;

    if (!argv[0] || argv[0][0] != '/') {
        *errorp = xasprintf("%s: the command of service \"%s\" must be an "
                            "absolute file name",
                            argv[0] ? argv[0] : "", service);
        return EINVAL;
    }
    error = plan_user(&plan, uid, errorp);
    if (error) {
        return error;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   pair)) {
        error = errno;
        *errorp = xasprintf("socketpair: %s", ovs_strerror(error));
        return error;
    }
    if (pipe2(report, O_CLOEXEC)) {
        error = errno;
        *errorp = xasprintf("pipe: %s", ovs_strerror(error));
    } else {
        plan.fd = pair[1];
        plan.report_fd = report[1];
        plan_environment(&plan, &env, socket_path, service);
        error = run(&plan, report, pidp, errorp);
        free(plan.envp);
        svec_destroy(&env);
    }
    close(pair[1]);
    if (error) {
        close(pair[0]);
    } else {
        *fdp = pair[0];
    }
    return error;
}
