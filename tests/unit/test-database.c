/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* The records in a database: with an ovsdb-server of their own, which the
 * embedded database runs. */

#include "database.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database-file.h"
#include "database-server.h"
#include "fatal-signal.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "record.h"
#include "timeval.h"
#include "unit.h"
#include "util.h"
#include "uuid.h"

static char directory[] = "/tmp/baton-test-db-XXXXXX";
static char *file; /* The database's. */
static struct database_server *server;

/* A controller, as far as it has to do with records. */
struct party {
    struct database *database;
    struct record_store *store;
};

static struct party a, b;
static struct record view;

static void
turn(void)
{
    database_server_run(server);
    for (struct party *p = &a; p; p = p == &a ? &b : NULL) {
        if (p->database) {
            database_run(p->database);
            record_store_run(p->store, time_msec());
        }
    }
}

static void
turn_wait(void)
{
    database_server_wait(server);
    for (struct party *p = &a; p; p = p == &a ? &b : NULL) {
        if (p->database) {
            database_wait(p->database);
            record_store_wait(p->store);
        }
    }
    poll_timer_wait(20);
    poll_block();
}

/* Waits, for 20 seconds at the most, until CONDITION. */
#define WAIT_FOR(CONDITION)                             \
    for (long long int until = time_msec() + 20000;;) { \
        turn();                                         \
        if (CONDITION) {                                \
            break;                                      \
        }                                               \
        CU_ASSERT_FATAL(time_msec() < until);           \
        turn_wait();                                    \
    }

static void
join(struct party *p, const char *name)
{
    p->database = database_create(database_server_get_remote(server), name);
    p->store = record_store_create(p->database);
}

static void
leave(struct party *p)
{
    record_store_destroy(p->store);
    database_destroy(p->database);
    memset(p, 0, sizeof *p);
}

static void
begin(void)
{
    char *error = NULL;

    unlink(file);
    server = database_server_start(directory, &error);
    if (!server) {
        printf("%s\n", error);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(server);
    join(&a, "a");
    WAIT_FOR(database_leads(a.database));
}

static void
end(void)
{
    if (b.database) {
        leave(&b);
    }
    leave(&a);
    database_server_stop(server);
    server = NULL;
}

static struct record_change
change_of(int n, const char *old, uint64_t epoch, const char *new)
{
    struct record_change change;

    memset(&change, 0, sizeof change);
    change.session.parts[0] = n;
    change.session.parts[3] = 1;
    in6_addr_set_mapped_ipv4(&change.address, htonl(0x0a010000 + n));
    change.old_owner = old;
    change.old_epoch = epoch;
    change.new_owner = new;
    change.home = "laptop";
    change.name = "film";
    change.service = "play";
    change.onward = ONWARD_GROUP;
    change.depth = 3;
    uuid_generate(&change.transfer);
    return change;
}

static enum record_status
write_by(struct party *p, const struct record_change *change)
{
    uint64_t number = record_begin_write(p->store, change);
    struct record_reply reply;

    record_store_flush(p->store);
    WAIT_FOR(record_next_reply(p->store, &reply));
    CU_ASSERT_EQUAL(reply.number, number);
    return reply.status;
}

static enum record_status
write_to(int n, const char *old, uint64_t epoch, const char *new)
{
    struct record_change change = change_of(n, old, epoch, new);

    return write_by(&a, &change);
}

static bool
is_at(const struct party *p, int n, const char *owner, uint64_t epoch)
{
    struct record_change change = change_of(n, "", 0, "");

    return (record_find(p->store, &change.session, &view)
            && !strcmp(view.owner, owner) && view.epoch == epoch);
}

/* As the controller does: everything anew from the same replica. */
static void
forget_unseen(struct party *p)
{
    record_store_destroy(p->store);
    p->store = record_store_create(p->database);
}

/* Is there a line 'line' in these columns of table Session? */
static bool
dump_has(const char *columns, const char *line)
{
    char *command = xasprintf("ovsdb-client --no-headings -f csv dump %s "
                              "Session %s | grep -qxF '%s'",
                              database_server_get_remote(server), columns,
                              line);
    int status = system(command);

    free(command);
    return !status;
}

/* Are the ids of all rows of table Session those of their sessions? */
static bool
rows_are_themselves(void)
{
    char *command = xasprintf("ovsdb-client --no-headings -f csv dump %s "
                              "Session _uuid session | awk -F, '"
                              "NF == 2 && $1 != $2 { exit 1 }'",
                              database_server_get_remote(server));
    int status = system(command);

    free(command);
    return !status;
}

/* Tests. */

static void
test_compare_and_set(void)
{
    struct record_change change;

    begin();
    CU_ASSERT_EQUAL(write_to(1, "laptop", 1, "tv"), RECORD_CONFLICT);
    CU_ASSERT_EQUAL(write_to(1, "laptop", 0, "tv"), RECORD_WRITTEN);
    /* At once, and when the replica has it. */
    CU_ASSERT_TRUE(is_at(&a, 1, "tv", 1));
    CU_ASSERT_STRING_EQUAL(view.home, "laptop");
    CU_ASSERT_EQUAL(view.onward, ONWARD_GROUP);
    CU_ASSERT_EQUAL(view.depth, 3);
    WAIT_FOR(is_at(&a, 1, "tv", 1) && view.row);
    CU_ASSERT_EQUAL(write_to(1, "laptop", 0, "laptop"), RECORD_CONFLICT);
    CU_ASSERT_EQUAL(write_to(1, "laptop", 1, "laptop"), RECORD_CONFLICT);
    change = change_of(1, "tv", 1, "laptop");
    CU_ASSERT_EQUAL(write_by(&a, &change), RECORD_WRITTEN);
    CU_ASSERT_EQUAL(write_by(&a, &change), RECORD_WRITTEN); /* Again. */
    CU_ASSERT_TRUE(is_at(&a, 1, "laptop", 2));

    /* By the replica it is not known which transfer that was: it is looked for,
     * for a write and for who asks. */
    forget_unseen(&a);
    WAIT_FOR(is_at(&a, 1, "laptop", 2));
    CU_ASSERT_FALSE(view.transfer_known);
    CU_ASSERT_EQUAL(write_by(&a, &change), RECORD_WRITTEN);
    CU_ASSERT_EQUAL(write_to(1, "tv", 1, "laptop"), RECORD_CONFLICT);
    forget_unseen(&a);
    CU_ASSERT_EQUAL(write_to(1, "tv", 1, "laptop"), RECORD_CONFLICT);
    forget_unseen(&a);
    CU_ASSERT_TRUE(is_at(&a, 1, "laptop", 2) && !view.transfer_known);
    record_look(a.store, &change.session);
    WAIT_FOR(is_at(&a, 1, "laptop", 2) && view.transfer_known);
    CU_ASSERT_TRUE(uuid_equals(&view.transfer, &change.transfer));
    CU_ASSERT_EQUAL(write_to(1, "laptop", 2, "tv"), RECORD_WRITTEN);
    CU_ASSERT_EQUAL(write_to(1, "tv", 3, "laptop"), RECORD_WRITTEN);
    CU_ASSERT_EQUAL(record_count(a.store), 1);
    /* The same address for another session. */
    change = change_of(2, "laptop", 0, "tv");
    in6_addr_set_mapped_ipv4(&change.address, htonl(0x0a010001));
    CU_ASSERT_EQUAL(write_by(&a, &change), RECORD_CONFLICT);
    CU_ASSERT_EQUAL(record_count(a.store), 1);
    end();
}

/* What a session is called stays when a write does not say it. */
static void
test_names(void)
{
    struct record_change change = change_of(1, "laptop", 0, "tv");

    begin();
    CU_ASSERT_EQUAL(write_by(&a, &change), RECORD_WRITTEN);
    change = change_of(1, "tv", 1, "laptop");
    change.name = "";
    change.service = NULL;
    CU_ASSERT_EQUAL(write_by(&a, &change), RECORD_WRITTEN);
    CU_ASSERT_TRUE(
        dump_has("name onward service", "film,\"\"\"group:3\"\"\",play"));
    end();
}

/* Many at once: a few transactions, and to each its own end. */
static void
test_shared_transactions(void)
{
    enum { N = 300 };
    struct record_reply reply;
    int n_written = 0, n_conflict = 0, n_lost = 0;
    uint64_t numbers[N];

    begin();
    CU_ASSERT_EQUAL(write_to(7, "laptop", 0, "tv"), RECORD_WRITTEN);
    WAIT_FOR(is_at(&a, 7, "tv", 1) && view.row);
    /* Behind our back: number 7 moves on, and 8 is there already. */
    char *command = xasprintf(
        "ovsdb-client transact %s '[\"Baton\",{\"op\":\"update\",\"table\":"
        "\"Session\",\"where\":[],\"row\":{\"epoch\":5}},{\"op\":\"insert\","
        "\"table\":\"Session\",\"uuid\":\"00000008-0000-0000-0000-"
        "000000000001\",\"row\":{\"session\":[\"uuid\",\"00000008-0000-0000-"
        "0000-000000000001\"],\"address\":\"10.1.0.8\",\"owner\":\"x\","
        "\"epoch\":1,\"home\":\"x\",\"onward\":\"any\"}}]' > /dev/null",
        database_server_get_remote(server));
    CU_ASSERT_EQUAL(system(command), 0);
    free(command);
    for (int i = 0; i < N; i++) {
        struct record_change change = i == 7 ? change_of(7, "tv", 1, "laptop")
                                             : change_of(i, "laptop", 0, "tv");

        numbers[i] = record_begin_write(a.store, &change);
    }
    record_store_flush(a.store);
    while (n_written + n_conflict + n_lost < N) {
        WAIT_FOR(record_next_reply(a.store, &reply));
        CU_ASSERT(reply.number >= numbers[0]
                  && reply.number <= numbers[N - 1]);
        n_written += reply.status == RECORD_WRITTEN;
        n_lost += reply.status == RECORD_LOST;
        if (reply.status == RECORD_CONFLICT) {
            n_conflict++;
            CU_ASSERT(reply.number == numbers[7]
                      || reply.number == numbers[8]);
        }
    }
    CU_ASSERT_EQUAL(n_written, N - 2);
    CU_ASSERT_EQUAL(n_conflict, 2);
    CU_ASSERT_TRUE(is_at(&a, 7, "tv", 5));
    CU_ASSERT_TRUE(is_at(&a, 8, "x", 1));
    CU_ASSERT_EQUAL(record_count(a.store), N);
    end();
}

/* The server is killed: writes are lost, and done when they are repeated. */
static void
test_lost(void)
{
    struct record_change change;
    enum record_status status;
    char *pidfile = xasprintf("%s/ovsdb-server.pid", directory);
    FILE *stream;
    int pid = 0;

    begin();
    change = change_of(1, "laptop", 0, "tv");
    CU_ASSERT_EQUAL(write_by(&a, &change), RECORD_WRITTEN);
    stream = fopen(pidfile, "r");
    CU_ASSERT_FATAL(stream && fscanf(stream, "%d", &pid) == 1);
    fclose(stream);
    free(pidfile);
    kill(pid, SIGKILL);
    change = change_of(1, "tv", 1, "laptop");
    status = write_by(&a, &change);
    while (status == RECORD_LOST) {
        CU_ASSERT_TRUE(database_leads(a.database));
        turn_wait();
        status = write_by(&a, &change);
    }
    CU_ASSERT_EQUAL(status, RECORD_WRITTEN);
    CU_ASSERT_TRUE(is_at(&a, 1, "laptop", 2));
    CU_ASSERT_PTR_NULL(database_get_trouble(a.database));
    end();
}

/* A second controller stands by, and takes over with all that there is. */
static void
test_standby(void)
{
    struct record_change change;
    uint64_t generation;

    begin();
    CU_ASSERT_EQUAL(write_to(1, "laptop", 0, "tv"), RECORD_WRITTEN);
    generation = database_get_generation(a.database);
    join(&b, "b");
    WAIT_FOR(database_get_trouble(b.database)
             && !strcmp(database_get_trouble(b.database),
                        "another controller leads"));
    CU_ASSERT_FALSE(database_leads(b.database));
    change = change_of(1, "tv", 1, "laptop");
    CU_ASSERT_EQUAL(write_by(&b, &change), RECORD_LOST);
    leave(&a);
    WAIT_FOR(database_leads(b.database));
    CU_ASSERT(database_get_generation(b.database) > generation);
    CU_ASSERT_TRUE(is_at(&b, 1, "tv", 1));
    CU_ASSERT_EQUAL(write_by(&b, &change), RECORD_WRITTEN);
    a = b;
    memset(&b, 0, sizeof b);
    end();
}

/* One that was paused while another took over writes nothing. */
static void
test_fence(void)
{
    unsigned int term;
    char *command;

    begin();
    CU_ASSERT_EQUAL(write_to(1, "laptop", 0, "tv"), RECORD_WRITTEN);
    WAIT_FOR(is_at(&a, 1, "tv", 1) && view.row);
    term = database_get_term(a.database);
    command = xasprintf(
        "ovsdb-client transact %s '[\"Baton\",{\"op\":\"mutate\",\"table\":"
        "\"Controller\",\"where\":[],\"mutations\":[[\"generation\",\"+=\","
        "1]]}]' > /dev/null",
        database_server_get_remote(server));
    CU_ASSERT_EQUAL(system(command), 0);
    free(command);
    CU_ASSERT_EQUAL(write_to(1, "tv", 1, "laptop"), RECORD_LOST);
    /* The lock is still its own, so it leads once more. */
    WAIT_FOR(database_leads(a.database)
             && database_get_term(a.database) > term);
    CU_ASSERT_TRUE(is_at(&a, 1, "tv", 1));
    forget_unseen(&a);
    CU_ASSERT_TRUE(is_at(&a, 1, "tv", 1));
    CU_ASSERT_EQUAL(write_to(1, "tv", 1, "laptop"), RECORD_WRITTEN);
    term = database_get_term(a.database);
    database_raise(a.database);
    WAIT_FOR(database_leads(a.database));
    CU_ASSERT_EQUAL(database_get_term(a.database), term + 1);
    CU_ASSERT(database_get_generation(a.database) > 1000);
    end();
}

/* The end of a session is written, and its row goes when it is forgotten. */
static void
test_end(void)
{
    struct record_change change = change_of(1, "laptop", 0, "tv");

    begin();
    CU_ASSERT_EQUAL(write_by(&a, &change), RECORD_WRITTEN);
    record_end(a.store, &change.session, time_msec());
    CU_ASSERT_PTR_NULL(record_find_address(a.store, &change.address, &view));
    WAIT_FOR(record_find(a.store, &change.session, &view) && view.ended
             && view.row);
    CU_ASSERT_EQUAL(write_to(1, "tv", 1, "laptop"), RECORD_CONFLICT);
    /* Its address is another session's now. */
    change = change_of(2, "laptop", 0, "tv");
    in6_addr_set_mapped_ipv4(&change.address, htonl(0x0a010001));
    CU_ASSERT_EQUAL(write_by(&a, &change), RECORD_WRITTEN);
    CU_ASSERT_TRUE(record_next_expired(a.store, &view));
    record_forget(a.store, &view.session);
    WAIT_FOR(record_count(a.store) == 1);
    CU_ASSERT_PTR_NOT_NULL(
        record_find_address(a.store, &change.address, &view));
    end();
}

static void
append(const char *text, int keep)
{
    struct stat s;
    int fd = open(file, O_WRONLY);

    CU_ASSERT_FATAL(fd >= 0 && !fstat(fd, &s));
    CU_ASSERT_EQUAL(ftruncate(fd, s.st_size - keep), 0);
    lseek(fd, 0, SEEK_END);
    ignore(write(fd, text, strlen(text)));
    close(fd);
}

static void
test_file(void)
{
    off_t good, size;
    char *error;

    begin();
    CU_ASSERT_EQUAL(write_to(1, "laptop", 0, "tv"), RECORD_WRITTEN);
    end();
    CU_ASSERT_PTR_NULL(database_file_check(file, &good, &size));
    CU_ASSERT_EQUAL(good, size);
    append("", 3); /* Not finished. */
    CU_ASSERT_PTR_NULL(database_file_check(file, &good, &size));
    CU_ASSERT(good > 0 && good < size);
    append("OVSDB JSON 2 0000000000000000000000000000000000000000\n{}", 0);
    error = database_file_check(file, &good, &size);
    CU_ASSERT(error && strstr(error, "damaged at byte"));
    free(error);
    server = database_server_start(directory, &error);
    CU_ASSERT_PTR_NULL(server);
    free(error);
}

/* A backup into the server that runs: `ovsdb-client restore' gives every row
 * another id. */
static void
test_restore(void)
{
    struct record_change change;
    unsigned int term;
    char *command;

    begin();
    for (int i = 1; i <= 3; i++) {
        CU_ASSERT_EQUAL(write_to(i, "laptop", 0, "tv"), RECORD_WRITTEN);
    }
    change = change_of(3, "", 0, "");
    record_end(a.store, &change.session, time_msec() + 60000);
    WAIT_FOR(record_find(a.store, &change.session, &view) && view.ended
             && view.row);
    term = database_get_term(a.database);
    command = xasprintf("ovsdb-client backup %s Baton > %s.copy 2> /dev/null "
                        "&& ovsdb-client restore %s Baton < %s.copy",
                        database_server_get_remote(server), file,
                        database_server_get_remote(server), file);
    CU_ASSERT_EQUAL(system(command), 0);
    free(command);
    CU_ASSERT_FALSE(rows_are_themselves());
    WAIT_FOR(database_leads(a.database)
             && database_get_term(a.database) > term);
    CU_ASSERT_TRUE(rows_are_themselves());
    forget_unseen(&a);
    CU_ASSERT_EQUAL(record_count(a.store), 3);
    CU_ASSERT_TRUE(is_at(&a, 1, "tv", 1));
    CU_ASSERT_EQUAL(view.onward, ONWARD_GROUP);
    CU_ASSERT_EQUAL(view.depth, 3);
    CU_ASSERT_TRUE(is_at(&a, 3, "tv", 1) && view.ended);
    CU_ASSERT_EQUAL(write_to(1, "tv", 1, "laptop"), RECORD_WRITTEN);
    end();
}

/* Rows as version 1.2 of the schema had them. */
static void
fill_old(const char *db)
{
    static const struct {
        const char *onward;
        int depth, ended;
    } rows[] = {
        { "any", 255, 0 }, { "group", 3, 0 }, { "back", 0, 0 },
        { "any", 1, 77 },  { "none", 0, 0 },
    };
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s,
                  "ovsdb-tool transact %s '[\"Baton\",{\"op\":\"insert\","
                  "\"table\":\"Controller\",\"row\":{\"generation\":5}}",
                  db);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ds_put_format(
            &s,
            ",{\"op\":\"insert\",\"table\":\"Session\",\"row\":{"
            "\"session\":[\"uuid\",\"%08" PRIxSIZE "-0000-0000-0000-"
            "000000000001\"],\"address\":\"10.1.0.%" PRIuSIZE "\","
            "\"owner\":\"tv\",\"epoch\":7,\"home\":\"laptop\","
            "\"transfer\":[\"uuid\",\"0000000%" PRIuSIZE "-1111-0000-0000-"
            "000000000000\"],\"onward\":\"%s\",\"depth\":%d,\"ended\":%d,"
            "\"name\":\"film %" PRIuSIZE "\",\"service\":\"play\"}}",
            i, i, i, rows[i].onward, rows[i].depth, rows[i].ended, i);
    }
    ds_put_cstr(&s, "]' > /dev/null");
    CU_ASSERT_EQUAL(system(ds_cstr(&s)), 0);
    ds_destroy(&s);
}

/* A file of version 1.2, with sessions that moved: none is lost. */
static void
test_upgrade_sessions(void)
{
    static const struct onward_right rights[] = {
        { ONWARD_ANY, ONWARD_DEPTH_ANY },
        { ONWARD_GROUP, 3 },
        { ONWARD_BACK, 0 },
        { ONWARD_ANY, 1 },
        { ONWARD_NONE, 0 },
    };
    char *command = xasprintf("rm -f %s %s.backup-1.2.0 && "
                              "ovsdb-tool create %s %s",
                              file, file, file, BATON_OLD_SCHEMA);
    struct record_change change = change_of(1, "", 0, "");
    char *error = NULL;

    CU_ASSERT_EQUAL(system(command), 0);
    free(command);
    fill_old(file);
    server = database_server_start(directory, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(server);
    join(&a, "a");
    WAIT_FOR(database_leads(a.database));
    CU_ASSERT_EQUAL(database_get_generation(a.database), 6);
    CU_ASSERT_EQUAL(record_count(a.store), ARRAY_SIZE(rights));
    CU_ASSERT_TRUE(rows_are_themselves());
    for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
        CU_ASSERT_TRUE_FATAL(is_at(&a, i, "tv", 7));
        CU_ASSERT_STRING_EQUAL(view.home, "laptop");
        CU_ASSERT_EQUAL(view.onward, rights[i].onward);
        CU_ASSERT_EQUAL(view.depth, rights[i].depth);
        CU_ASSERT_EQUAL(view.ended, i == 3);
    }
    CU_ASSERT_TRUE(
        dump_has("depth ended name service", "[],0,\"\"\"film 1\"\"\",play"));
    CU_ASSERT_TRUE(
        dump_has("depth ended name service", "[],77,\"\"\"film 3\"\"\",play"));
    record_look(a.store, &change.session);
    WAIT_FOR(is_at(&a, 1, "tv", 7) && view.transfer_known);
    CU_ASSERT_EQUAL(view.transfer.parts[0], 1);
    CU_ASSERT_EQUAL(view.transfer.parts[1], 0x11110000);
    CU_ASSERT_EQUAL(write_to(1, "tv", 7, "laptop"), RECORD_WRITTEN);

    /* Once is enough. */
    leave(&a);
    join(&a, "a");
    WAIT_FOR(database_leads(a.database));
    CU_ASSERT_EQUAL(database_get_term(a.database), 1);
    CU_ASSERT_TRUE(is_at(&a, 1, "laptop", 8));
    end();
}

/* A file with the schema before this one, and with one that is to come. */
static void
test_upgrade(void)
{
    char *old = xasprintf("%s/old.ovsschema", directory);
    char *backup = xasprintf("%s.backup-0.9.0", file);
    char *command = xasprintf(
        "sed 's/\"version\": \"[0-9.]*\"/\"version\": \"0.9.0\"/"
        "; /\"pool\"/d' %s > %s && rm -f %s %s && "
        "ovsdb-tool create %s %s",
        BATON_SCHEMA, old, file, backup, file, old);
    char *error = NULL;

    CU_ASSERT_EQUAL(system(command), 0);
    free(command);
    server = database_server_start(directory, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(server);
    CU_ASSERT_EQUAL(access(backup, F_OK), 0);
    join(&a, "a");
    WAIT_FOR(database_leads(a.database));
    end();

    command = xasprintf(
        "sed -i 's/\"version\": \"[0-9.]*\"/\"version\": \"99.0.0\"/' %s && "
        "rm -f %s && ovsdb-tool create %s %s",
        old, file, file, old);
    CU_ASSERT_EQUAL(system(command), 0);
    server = database_server_start(directory, &error);
    CU_ASSERT_PTR_NULL(server);
    CU_ASSERT(error && strstr(error, "as new as the one that wrote it"));
    free(error);
    free(command);
    free(old);
    free(backup);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "compare and set", test_compare_and_set },
        { "shared transactions", test_shared_transactions },
        { "lost", test_lost },
        { "standby", test_standby },
        { "fence", test_fence },
        { "end", test_end },
        { "file", test_file },
        { "names", test_names },
        { "restore", test_restore },
        { "upgrade sessions", test_upgrade_sessions },
        { "upgrade", test_upgrade },
    };
    char *command;
    int status;

    fatal_ignore_sigpipe();
    setenv("BATON_SCHEMA_DIR", BATON_SCHEMA_DIR, true);
    if (system("PATH=$PATH:/usr/sbin command -v ovsdb-server ovsdb-tool "
               "ovsdb-client > /dev/null")) {
        printf("ovsdb-server is not installed\n");
        return 77;
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    if (!mkdtemp(directory)) {
        return 1;
    }
    file = xasprintf("%s/baton.db", directory);
    status = unit_run("database", tests, ARRAY_SIZE(tests));
    command = xasprintf("rm -rf %s", directory);
    status |= system(command) != 0;
    free(command);
    free(file);
    return status;
}
