/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_MESSAGE_H
#define BATON_MESSAGE_H 1

/* Reading the members of a JSON object that another machine sent.
 *
 * A reader collects the first thing that is wrong, so that a caller asks for
 * all that it needs and looks once:
 *
 *     struct message m = MESSAGE_INITIALIZER(params);
 *     message_get_uuid(&m, "session", &session);
 *     message_get_address(&m, "address", &address);
 *     char *error = message_finish(&m);
 *     if (error) { ...; free(error); }
 *
 * Pointers got from a reader belong to the JSON object. IPv4 addresses are
 * IPv4-mapped, as in libopenvswitch. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/json.h"
#include "openvswitch/uuid.h"
#include "openvswitch/types.h"

struct message {
    const struct json *object;
    char *error; /* First error, or NULL. */
};
#define MESSAGE_INITIALIZER(OBJECT) \
    {                               \
        (OBJECT), NULL              \
    }

/* Device and service names: 1 to 63 characters of A-Z a-z 0-9 . _ - */
#define MESSAGE_NAME_MAX 63
bool message_name_is_valid(const char *);

const char *message_get_string(struct message *, const char *name,
                               size_t max_len);
/* The same of text that may have several lines: a certificate. */
const char *message_get_lines(struct message *, const char *name,
                              size_t max_len);
/* NULL, and no error, when the member is absent. */
const char *message_get_optional_string(struct message *, const char *name,
                                        size_t max_len);
const char *message_get_name(struct message *, const char *name);
void message_get_uuid(struct message *, const char *name, struct uuid *);
void message_get_address(struct message *, const char *name,
                         struct in6_addr *);
/* "ADDRESS/LEN"; 'plen' counts in the mapped form (IPv4's /24 is 120). */
void message_get_prefix(struct message *, const char *name, struct in6_addr *,
                        unsigned int *plen);
void message_get_eth(struct message *, const char *name, struct eth_addr *);
uint64_t message_get_integer(struct message *, const char *name, uint64_t min,
                             uint64_t max);
bool message_get_boolean(struct message *, const char *name);
/* Decodes base64 of exactly 'n' bytes. */
void message_get_bytes(struct message *, const char *name, void *, size_t n);
/* Decodes base64 of at most 'max' bytes; returns malloc'd bytes or NULL. */
uint8_t *message_get_blob(struct message *, const char *name, size_t max,
                          size_t *n);
/* Never NULL: an empty array stands for one that was wrong. */
const struct json_array *message_get_array(struct message *, const char *name,
                                           size_t max);
const struct json *message_get_object(struct message *, const char *name);

/* Returns the first error ("member \"epoch\": ..."), which the caller frees,
 * or NULL. */
char *message_finish(struct message *);

/* Writing. */
void message_put_string(struct json *, const char *name, const char *);
/* At most 'max_len' bytes of 's', as whole characters. */
void message_put_text(struct json *, const char *name, const char *s,
                      size_t max_len);
void message_put_uuid(struct json *, const char *name, const struct uuid *);
void message_put_address(struct json *, const char *name,
                         const struct in6_addr *);
void message_put_prefix(struct json *, const char *name,
                        const struct in6_addr *, unsigned int plen);
void message_put_eth(struct json *, const char *name, struct eth_addr);
void message_put_integer(struct json *, const char *name, uint64_t);
void message_put_boolean(struct json *, const char *name, bool);
void message_put_bytes(struct json *, const char *name, const void *,
                       size_t n);

#endif /* lib/message.h */
