/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOVE_TEST_H
#define MOVE_TEST_H 1

/* What the cases of test-socket-move share. */

#include "socket-state.h"
#include "move-net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT 4711

struct move_case {
    const char *name;
    void (*run)(void);
};

/* Each file of cases has one table; the last entry has a null name. */
extern const struct move_case move_data_cases[];
extern const struct move_case move_state_cases[];
extern const struct move_case move_option_cases[];
extern const struct move_case move_fault_cases[];
extern const struct move_case move_udp_cases[];

void check(bool, const char *what, const char *file, int line);
void check_call(int error, char *message, const char *file, int line);
unsigned int check_failures(void);
unsigned int check_count(void);
void check_begin(const char *name);

#define CHECK(CONDITION) check(CONDITION, #CONDITION, __FILE__, __LINE__)
/* 'EXPRESSION' returns an error and takes 'errorp'. */
#define CALL(EXPRESSION)                                  \
    do {                                                  \
        char *message_ = NULL, **errorp = &message_;      \
        int error_ = (EXPRESSION);                        \
        check_call(error_, message_, __FILE__, __LINE__); \
    } while (0)

void sleep_ms(int);
double now_us(void);
socklen_t address_len(const struct sockaddr_storage *);
int tcp_state(int fd);

/* A connection between the peer and the device that has the session. */
struct connection {
    int family;
    bool mapped;
    int device; /* The device's socket. */
    int peer;
    enum net_place place; /* Where the session is. */
};

/* At the session's address, in the calling process's namespace. */
int open_listener(int family, bool mapped, uint16_t port);
int connect_from_peer(int family, uint16_t port);
/* The peer connects to the device. */
void open_connection(struct connection *, int family, bool mapped);
/* Resets both ends; the session goes home. */
void close_connection(struct connection *);
void reset(int fd);
void go_home(enum net_place *);

/* Nothing has left 'place' from the session's addresses. */
void check_silent(enum net_place);

/* Moves sockets to the other device.  'muted' is called, if nonnull, while
 * they are restored and muted there. */
typedef void move_muted(const int *fds, size_t n, void *aux);
void move_sockets(enum net_place *, int *fds, size_t n, move_muted *,
                  void *aux);
void move_connection(struct connection *);

/* Numbered bytes, so that a byte that is lost, doubled or out of order is
 * seen.  They return how many they wrote or read. */
size_t write_some(int fd, size_t *position, size_t n);
size_t read_some(int fd, size_t *position, size_t n, int ms);
bool at_end(int fd);
/* Both directions carry data, without waiting for a timer. */
void check_alive(struct connection *);

/* Makes 'fd' deaf: what comes is dropped, as if lost on the way. */
void make_deaf(int fd, bool);

#endif /* move-test.h */
