/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "note.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"
#include "util.h"
#include "uuid.h"

static char dir[] = "/tmp/test-note.XXXXXX";
static const uint8_t key[SEAL_KEY_LEN] = { 1, 2, 3 };

static void
make_note(struct note *note)
{
    memset(note, 0, sizeof *note);
    note->role = NOTE_TAKING;
    note->session = (struct uuid){ { 1, 2, 3, 4 } };
    note->transfer = (struct uuid){ { 5, 6, 7, 8 } };
    note->address = in6addr_loopback;
    note->epoch = UINT64_MAX;
    note->uid = 1000;
    note->from_block = true;
    memset(note->name, 'n', APP_NAME_LEN - 1);
    ovs_strlcpy(note->service, "files", APP_NAME_LEN);
    ovs_strlcpy(note->other, "tv", APP_NAME_LEN);
}

static void
test_there_and_back(void)
{
    struct app_message msg;
    struct note note, got;

    make_note(&note);
    memset(&msg, 0x55, sizeof msg);
    note_write(&note, key, &msg);
    CU_ASSERT_FATAL(note_read(&msg, key, &got));
    CU_ASSERT_EQUAL(got.role, note.role);
    CU_ASSERT(uuid_equals(&got.session, &note.session));
    CU_ASSERT(uuid_equals(&got.transfer, &note.transfer));
    CU_ASSERT(!memcmp(&got.address, &note.address, sizeof got.address));
    CU_ASSERT_EQUAL(got.epoch, note.epoch);
    CU_ASSERT_EQUAL(got.uid, note.uid);
    CU_ASSERT(got.from_block);
    CU_ASSERT_STRING_EQUAL(got.name, note.name);
    CU_ASSERT_STRING_EQUAL(got.service, note.service);
    CU_ASSERT_STRING_EQUAL(got.other, note.other);
}

/* An application may show it, or not, but not change it. */
static void
test_every_bit_counts(void)
{
    uint8_t other_key[SEAL_KEY_LEN] = { 1, 2, 4 };
    struct app_message msg;
    struct note note, got;

    make_note(&note);
    memset(&msg, 0, sizeof msg);
    note_write(&note, key, &msg);
    CU_ASSERT(!note_read(&msg, other_key, &got));
    for (size_t i = 0; i < msg.note_len * 8; i++) {
        msg.note[i / 8] ^= 1 << i % 8;
        CU_ASSERT(!note_read(&msg, key, &got));
        msg.note[i / 8] ^= 1 << i % 8;
    }
    CU_ASSERT(note_read(&msg, key, &got));
    msg.note_len--;
    CU_ASSERT(!note_read(&msg, key, &got));
    msg.note_len += 2;
    CU_ASSERT(!note_read(&msg, key, &got));
    msg.note_len = 0;
    CU_ASSERT(!note_read(&msg, key, &got));
}

static void
test_key(void)
{
    char *file = xasprintf("%s/key", dir);
    uint8_t first[SEAL_KEY_LEN], again[SEAL_KEY_LEN];
    struct stat st;
    char *error;

    CU_ASSERT_EQUAL(note_key_load(file, first, &error), 0);
    CU_ASSERT_PTR_NULL(error);
    CU_ASSERT(!stat(file, &st) && (st.st_mode & 0777) == 0600);
    CU_ASSERT_EQUAL(st.st_size, SEAL_KEY_LEN);
    CU_ASSERT_EQUAL(note_key_load(file, again, &error), 0);
    CU_ASSERT(!memcmp(first, again, sizeof first));

    CU_ASSERT(!truncate(file, 5));
    CU_ASSERT_EQUAL(note_key_load(file, again, &error), EINVAL);
    CU_ASSERT_FATAL(error != NULL);
    free(error);
    unlink(file);
    CU_ASSERT(!symlink("/etc/hostname", file));
    CU_ASSERT_EQUAL(note_key_load(file, again, &error), ELOOP);
    free(error);
    unlink(file);
    free(file);
    CU_ASSERT_EQUAL(note_key_load("/nowhere/key", again, &error), ENOENT);
    free(error);
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "there and back", test_there_and_back },
        { "every bit counts", test_every_bit_counts },
        { "key", test_key },
    };
    int retval;

    if (!mkdtemp(dir)) {
        perror(dir);
        return 1;
    }
    retval = unit_run("note", tests, ARRAY_SIZE(tests));
    rmdir(dir);
    return retval;
}
