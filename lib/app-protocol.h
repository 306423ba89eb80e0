/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_APP_PROTOCOL_H
#define BATON_APP_PROTOCOL_H 1

/* What an application (by libbaton) and the agent of the same device say to
 * each other, over an AF_UNIX SOCK_SEQPACKET socket.
 *
 * Every datagram is one 'struct app_message', host byte order, with
 * descriptors beside it (SCM_RIGHTS) where the table says so.  State travels
 * in a sealed memfd (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), the last of
 * the descriptors.  Plain C11: libbaton does not need libopenvswitch.
 *
 *     from the application        fds
 *     HELLO    service, name      -      first; version checked; 'socket':
 *                                        how many PRESENT follow
 *     OPEN     name, family       -      answered by OPENED or ERROR, which
 *                                        repeat its 'socket' (any number)
 *     ADD      session, socket    1      answered by ERROR (repeats 'socket')
 *                                        if it is refused
 *     REMOVE   session, socket    -      'socket': SO_COOKIE of the socket
 *     ONWARD   session, name      -      what is given along when it moves
 *                                        (onward.h); empty: all that may be
 *     MOVE     session, device, service  answered at its end by MOVED
 *     PAUSED   session            0, 1   state, if there is any
 *     READY    session            -
 *     REFUSE   session, reason    -
 *     END      session            -
 *     PRESENT  session, note      n      after a reconnection: a session that
 *                                        the application holds, its sockets,
 *                                        and, if paused with state, it (flag)
 *     MAPPING  session            -      answered by MAPPED, which repeats its
 *                                        'socket' (any number)
 *     CALL     text               -      a person's command: "sessions",
 *                                        "devices", "move ...", "log", "watch"
 *
 *     from the agent
 *     OPENED   session, address, note
 *     ERROR    session, error, reason
 *     PAUSE    session, note      -
 *     RESUME   session, error, reason, note
 *     GONE     session, error, reason
 *     ARRIVED  session, address, name, note   n + 1   sockets, state
 *     OWNED    session, note
 *     MOVED    session, error, reason
 *     MAPPED   session, error, text      struct app_mapping
 *     NOTE     session, note             replaces the note, nothing else
 *     RESULT   error, text (JSON)  1     a memfd when the text is long; after
 *                                        "watch": one each event
 *
 * The *note* is opaque to the application: what the agent wants to read back
 * if it is killed and started again (role, transfer, epoch, authenticated by
 * the agent's own key).  libbaton keeps the latest. */

#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#define APP_PROTOCOL_VERSION 1
#define APP_PROTOCOL_SOCKET "agent.sock" /* Under the run directory. */

enum app_message_type {
    APP_HELLO = 1,
    APP_OPEN,
    APP_ADD,
    APP_REMOVE,
    APP_MOVE,
    APP_PAUSED,
    APP_READY,
    APP_REFUSE,
    APP_END,
    APP_PRESENT,
    APP_CALL,
    APP_ONWARD,
    APP_MAPPING,

    APP_OPENED = 64,
    APP_ERROR,
    APP_PAUSE,
    APP_RESUME,
    APP_GONE,
    APP_ARRIVED,
    APP_OWNED,
    APP_MOVED,
    APP_NOTE,
    APP_RESULT,
    APP_MAPPED,
};

#define APP_NAME_LEN 64 /* With the null. */
#define APP_REASON_LEN 256
#define APP_NOTE_LEN 512
#define APP_TEXT_LEN 32768

#define APP_FLAG_STATE 1u     /* The last descriptor is the state. */
#define APP_FLAG_PAUSED 2u    /* PRESENT: the application is paused. */
#define APP_FLAG_READY 4u     /* PRESENT: it arrived, and READY was said. */
#define APP_FLAG_PERMANENT 8u /* OPEN: on the device's own address. */
#define APP_FLAG_MAPPED \
    16u /* OPEN: takes the one at the address 'name'.
                               * OPENED, ARRIVED: it is a mapped one. */

struct app_message {
    uint16_t version; /* APP_PROTOCOL_VERSION. */
    uint16_t type;    /* enum app_message_type. */
    uint32_t flags;
    uint8_t session[16];     /* UUID, or zeros. */
    struct in6_addr address; /* IPv4 as IPv4-mapped. */
    uint32_t family;         /* AF_INET, AF_INET6. */
    int32_t error;           /* 0 or errno. */
    uint64_t socket;         /* SO_COOKIE. */
    uint32_t n_sockets;      /* ARRIVED, PRESENT: without the state. */
    uint32_t note_len;
    uint32_t text_len;       /* 'text' is sent only this far. */
    char name[APP_NAME_LEN]; /* OPEN, ARRIVED; HELLO: program. */
    char device[APP_NAME_LEN];
    char service[APP_NAME_LEN];
    char reason[APP_REASON_LEN];
    uint8_t note[APP_NOTE_LEN];
    char text[APP_TEXT_LEN];
};
#define APP_MESSAGE_MIN offsetof(struct app_message, text)

/* What the bridge translates of a session. */
struct app_mapping {
    struct in6_addr permanent, correspondent; /* IPv4 as IPv4-mapped. */
    uint16_t port, correspondent_port;
    char owner[APP_NAME_LEN];
    int64_t since; /* Milliseconds since 1970. */
    uint64_t packets_in, bytes_in, packets_out, bytes_out;
};

#endif /* lib/app-protocol.h */
