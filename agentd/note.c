/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "note.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util.h"

#define NOTE_MAGIC 0x42415431u

/* A note never leaves the device: host byte order, one layout a version. */
struct note_body {
    uint32_t magic;
    uint32_t role;
    struct uuid session;
    struct uuid transfer;
    struct in6_addr address;
    uint64_t epoch;
    uint32_t uid;
    uint32_t from_block;
    char name[APP_NAME_LEN];
    char service[APP_NAME_LEN];
    char other[APP_NAME_LEN];
    char onward[ONWARD_STRING_LEN];
    uint8_t permanent;
    uint8_t pad[3]; /* No bytes but those that are named: all are sealed. */
};

struct note_wire {
    struct note_body body;
    uint8_t mac[SEAL_HASH_LEN];
};
BUILD_ASSERT_DECL(sizeof(struct note_wire) <= APP_NOTE_LEN);

int
note_key_load(const char *file, uint8_t key[SEAL_KEY_LEN], char **errorp)
{
    int error = 0;
    ssize_t n;
    int fd;

    *errorp = NULL;
    fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        n = read(fd, key, SEAL_KEY_LEN);
    } else if (errno == ENOENT) {
        fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        seal_random(key, SEAL_KEY_LEN);
        n = fd >= 0 ? write(fd, key, SEAL_KEY_LEN) : -1;
    } else {
        n = -1;
    }
    if (n != SEAL_KEY_LEN) {
        error = n < 0 ? errno : EINVAL;
        *errorp = xasprintf("%s: %s", file,
                            n < 0 ? ovs_strerror(error)
                                  : "is not a key of 32 bytes; delete it");
    }
    if (fd >= 0) {
        close(fd);
    }
    return error;
}

static void
note_mac(const struct note_body *body, const uint8_t key[SEAL_KEY_LEN],
         uint8_t mac[SEAL_HASH_LEN])
{
    struct iovec iov = { CONST_CAST(struct note_body *, body), sizeof *body };

    seal_hmac(key, &iov, 1, mac);
}

void
note_write(const struct note *note, const uint8_t key[SEAL_KEY_LEN],
           struct app_message *msg)
{
    struct note_wire wire;

    memset(&wire, 0, sizeof wire);
    wire.body.magic = NOTE_MAGIC;
    wire.body.role = note->role;
    wire.body.session = note->session;
    wire.body.transfer = note->transfer;
    wire.body.address = note->address;
    wire.body.epoch = note->epoch;
    wire.body.uid = note->uid;
    wire.body.from_block = note->from_block;
    ovs_strzcpy(wire.body.name, note->name, APP_NAME_LEN);
    ovs_strzcpy(wire.body.service, note->service, APP_NAME_LEN);
    ovs_strzcpy(wire.body.other, note->other, APP_NAME_LEN);
    wire.body.permanent = note->permanent;
    ovs_strzcpy(wire.body.onward, note->onward, ONWARD_STRING_LEN);
    note_mac(&wire.body, key, wire.mac);
    memcpy(msg->note, &wire, sizeof wire);
    msg->note_len = sizeof wire;
}

bool
note_read(const struct app_message *msg, const uint8_t key[SEAL_KEY_LEN],
          struct note *note)
{
    struct note_wire wire;
    uint8_t mac[SEAL_HASH_LEN];

    if (msg->note_len != sizeof wire) {
        return false;
    }
    memcpy(&wire, msg->note, sizeof wire);
    note_mac(&wire.body, key, mac);
    if (!seal_equal(mac, wire.mac, sizeof mac) || wire.body.magic != NOTE_MAGIC
        || wire.body.role > NOTE_TAKING) {
        return false;
    }
    note->role = wire.body.role;
    note->session = wire.body.session;
    note->transfer = wire.body.transfer;
    note->address = wire.body.address;
    note->epoch = wire.body.epoch;
    note->uid = wire.body.uid;
    note->from_block = wire.body.from_block;
    memcpy(note->name, wire.body.name, APP_NAME_LEN);
    memcpy(note->service, wire.body.service, APP_NAME_LEN);
    memcpy(note->other, wire.body.other, APP_NAME_LEN);
    note->permanent = wire.body.permanent;
    memcpy(note->onward, wire.body.onward, ONWARD_STRING_LEN);
    return true;
}
