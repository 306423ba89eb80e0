/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_BATON_H
#define BATON_BATON_H 1

/* libbaton: sessions that move between devices.
 *
 * A session has an address of its own, made for it by the agent of this
 * device (baton-agentd).  The application binds or connects its sockets on
 * that address, adds them to the session, and may have the session moved, with
 * its sockets and some bytes of the application's own, to another device.
 *
 * Everything happens from the application's own event loop: poll baton_fd()
 * for reading and call baton_next_event() until it returns 0.  The library
 * starts no thread and installs no signal handler.  A handle is for one thread
 * at a time.
 *
 * When an event says BATON_PAUSE the application stops reading and writing on
 * the session's sockets (and accepts what waits on its listeners, adding it),
 * and calls baton_session_answer() with its state.  Then either BATON_RESUME
 * (the move did not happen: go on as before) or BATON_GONE (it did: close the
 * descriptors, they are dead) follows.
 *
 * On the other device BATON_ARRIVED brings the session with its sockets, in
 * the order in which they were added, and the state.  The application prepares
 * itself, without touching the sockets, and calls baton_session_answer().
 * Then BATON_OWNED (go on) or BATON_GONE follows.
 *
 * Functions return 0 or more, or -1 with errno set; baton_error() then gives a
 * sentence.  If the agent dies, the library reconnects by itself and shows it
 * the sessions; the application notices nothing, but that baton_next_event()
 * keeps returning 0. */

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct baton;
struct baton_session;

enum baton_event_type {
    BATON_NONE,
    BATON_PAUSE,    /* Stop, and answer. */
    BATON_RESUME,   /* Not moved; 'reason' says why. */
    BATON_GONE,     /* Moved away, or lost: the descriptors are dead. */
    BATON_ARRIVED,  /* A session comes; 'fds' and 'state' are filled in. */
    BATON_OWNED,    /* It is yours: go on. */
    BATON_MOVED,    /* The end of a move that you asked for: 'error'. */
    BATON_REJECTED, /* A socket that you added cannot be in the session:
                         * 'fds' names it, 'reason' says why. */
};

struct baton_event {
    enum baton_event_type type;
    struct baton_session *session;
    int error;          /* BATON_RESUME, _GONE, _MOVED, _REJECTED: 0 or
                             * errno. */
    const char *reason; /* Same: a sentence; valid until the next call. */
    const int *fds;     /* BATON_ARRIVED: yours to close, close-on-exec,
                             * not O_NONBLOCK until you say so; the array is
                             * valid ... */
    size_t n_fds;
    const void *state; /* ... until the next call, as are these bytes. */
    size_t state_len;
};

#define BATON_STATE_MAX (16u << 20) /* Bytes of application state. */
#define BATON_FDS_MAX 128           /* Sockets of a session. */
#define BATON_PERMANENT 0x10000     /* See baton_session_open(). */
#define BATON_MAPPED 0x20000        /* The same. */

/* Connects to the agent: 'path' or, if NULL, the agent that started this
 * program (descriptor 3, LISTEN_FDS), $BATON_SOCKET, or the default.
 * 'service' (may be NULL) names what this process accepts sessions for.
 * On failure baton_error(NULL) says why. */
struct baton *baton_open(const char *path, const char *service);
void baton_close(struct baton *);
int baton_fd(const struct baton *);
/* 1: an event; 0: none. */
int baton_next_event(struct baton *, struct baton_event *);
const char *baton_error(const struct baton *);

/* Opens a session named 'name' (for people) of 'family' AF_INET or AF_INET6;
 * with BATON_PERMANENT added, on this device's own address, which moves as a
 * whole, with the sockets of all applications that opened it so (one of each
 * service: 'service' of baton_open() is needed, and 'onward' has no effect).
 * With BATON_MAPPED added it takes the session that the bridge has made for a
 * correspondent that knows only the permanent address, or that a correspondent
 * has been told of by name: 'name' is the session's
 * address in text form, which getsockname() tells of an accepted connection;
 * ENOENT if there is none, as of a connection to the permanent address itself.
 * 'onward' is what a device that gets the session may do with it: "none",
 * "back", "group", "group:N", "any" or "any:N" (see baton-policy(5)); NULL: as
 * much as policy allows.  Waits for the agent's answer, at most 30 seconds. */
struct baton_session *baton_session_open(struct baton *, const char *name,
                                         int family, const char *onward);

/* What the bridge translates of a session that began on a permanent address,
 * and its packets both ways, as the bridge counts them. */
struct baton_mapping {
    struct sockaddr_storage permanent, correspondent; /* With their ports. */
    const char *owner;               /* The device that has the session. */
    int64_t since;                   /* Milliseconds since 1970. */
    uint64_t packets_in, bytes_in;   /* To the session... */
    uint64_t packets_out, bytes_out; /* ...and from it. */
};

struct baton_session_info {
    const char *id;                  /* A UUID, as baton(1) knows it. */
    const char *name;                /* As it was opened. */
    struct sockaddr_storage address; /* With port 0. */
    /* NULL: it is not mapped, or nobody could say now. */
    const struct baton_mapping *mapping;
};
/* Valid as long as the session; of a session that is mapped 'mapping' is asked
 * for each time, which waits for an answer for at most 3 seconds. */
const struct baton_session_info *
baton_session_info(const struct baton_session *);

/* Adds a socket (established, listening, or UDP) bound to the session's
 * address; the application keeps its descriptor.  Or removes one, before it
 * is closed. */
int baton_session_add(struct baton_session *, int fd);
int baton_session_remove(struct baton_session *, int fd);

/* Asks to move; BATON_MOVED tells the end of it.  'service' NULL: the
 * service named in baton_open(). */
int baton_session_move(struct baton_session *, const char *device,
                       const char *service);
/* Answers BATON_PAUSE or BATON_ARRIVED.  With a 'refusal', a sentence, the
 * session does not move, and who asked for it is told.  Otherwise, to
 * BATON_PAUSE, 'state' is what the application on the other device needs to go
 * on, 'n' <= BATON_STATE_MAX bytes; to BATON_ARRIVED there is none. */
int baton_session_answer(struct baton_session *, const char *refusal,
                         const void *state, size_t n);

/* Ends the session: its address goes back.  Close its sockets first.  Also
 * called after BATON_GONE, to free 'session'. */
void baton_session_end(struct baton_session *);

#ifdef __cplusplus
}
#endif

#endif /* baton/baton.h */
