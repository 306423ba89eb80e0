/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "permanent.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "controller.h"
#include "hash.h"
#include "holder.h"
#include "lease.h"
#include "link.h"
#include "message.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "policy.h"
#include "record.h"
#include "refusal.h"
#include "seal.h"
#include "timeval.h"
#include "transfer-spec.h"
#include "transfer.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(permanent);

/* Milliseconds between two looks for addresses that have moved, and before a
 * revocation that could not begin is tried again. */
#define SCAN_INTERVAL 1000
#define RETRY_INTERVAL 200

/* An address that is away from home. */
struct away {
    struct hmap_node node; /* In struct permanents, by 'address'. */
    struct in6_addr address;
    struct uuid session;
    char *owner;
    uint64_t epoch;
    long long int until;  /* time_msec(): end of the lease, with margin. */
    long long int recall; /* time_msec() by which it is to be home; LLONG_MAX:
                           * not asked for. */
    const char *reason;   /* Why it is revoked then. */
};

struct permanents {
    struct hmap away;
    long long int next_scan; /* time_msec(). */
};

struct permanents *
permanents_create(void)
{
    struct permanents *ps = xzalloc(sizeof *ps);

    hmap_init(&ps->away);
    return ps;
}

static void
away_free(struct permanents *ps, struct away *away)
{
    hmap_remove(&ps->away, &away->node);
    free(away->owner);
    free(away);
}

void
permanents_destroy(struct permanents *ps)
{
    if (ps) {
        struct away *away;

        HMAP_FOR_EACH_SAFE(away, node, &ps->away) {
            away_free(ps, away);
        }
        hmap_destroy(&ps->away);
        free(ps);
    }
}

static uint32_t
hash_address(const struct in6_addr *address)
{
    return hash_bytes(address, sizeof *address, 0);
}

static struct away *
find_away(const struct permanents *ps, const struct in6_addr *address)
{
    struct away *away;

    HMAP_FOR_EACH_WITH_HASH(away, node, hash_address(address), &ps->away) {
        if (ipv6_addr_equals(&away->address, address)) {
            return away;
        }
    }
    return NULL;
}

void
permanent_session(const char *device, const struct in6_addr *address,
                  struct uuid *session)
{
    struct iovec iov[] = {
        { CONST_CAST(char *, "baton permanent v1"), 18 },
        { CONST_CAST(struct in6_addr *, address), sizeof *address },
        { CONST_CAST(char *, device), strlen(device) },
    };
    uint8_t hash[SEAL_HASH_LEN];

    seal_hash(iov, ARRAY_SIZE(iov), hash);
    memcpy(session, hash, sizeof *session);
}

bool
permanent_matches(const struct controller *c, const struct uuid *session,
                  const struct in6_addr *address)
{
    const struct policy_device *pd = policy_find_permanent(c->policy, address,
                                                           NULL);
    struct uuid right;

    if (!pd) {
        return true;
    }
    permanent_session(pd->name, address, &right);
    return uuid_equals(&right, session);
}

struct json *
permanents_of(const struct controller *c, const char *device)
{
    const struct policy_device *pd = shash_find_data(&c->policy->devices,
                                                     device);
    struct json *array = json_array_create_empty();

    for (size_t i = 0; pd && i < pd->n_permanent; i++) {
        const struct in6_addr *address = &pd->permanent[i].addr;
        struct json *object = json_object_create();
        const struct record *record;
        struct record view;
        struct uuid session;

        permanent_session(device, address, &session);
        record = record_find(c->records, &session, &view);
        message_put_uuid(object, "session", &session);
        message_put_address(object, "address", address);
        message_put_integer(object, "epoch", record ? record->epoch : 0);
        message_put_string(object, "owner", record ? record->owner : device);
        message_put_boolean(object, "move", pd->permanent_moves);
        json_array_add(array, object);
    }
    return array;
}

static unsigned int
lifetime_of(const struct controller *c, const struct in6_addr *address)
{
    const struct policy_device *pd = policy_find_permanent(c->policy, address,
                                                           NULL);

    return pd ? pd->permanent_lease : 0;
}

/* Is 'stream' ("ssl:10.1.0.11:6654") an end at 'address'? */
static bool
is_at(const char *stream, const struct in6_addr *address)
{
    char text[INET6_ADDRSTRLEN], *prefix;
    bool is;

    ipv6_string_mapped(text, address);
    prefix = IN6_IS_ADDR_V4MAPPED(address) ? xasprintf("ssl:%s:", text)
                                           : xasprintf("ssl:[%s]:", text);
    is = !strncmp(stream, prefix, strlen(prefix));
    free(prefix);
    return is;
}

void
permanent_check_introduce(const struct controller *c,
                          const struct device *device,
                          const struct in6_addr *address, struct refusal *r)
{
    const struct policy_device *pd = policy_find_permanent(c->policy, address,
                                                           NULL);

    if (!pd || strcmp(pd->name, device->name)) {
        return;
    }
    if (!pd->permanent_moves) {
        refusal_set(r, "policy",
                    "policy does not let the permanent addresses of %s move",
                    device->name);
    } else if (is_at(link_get_name(device->link), address)
               || is_at(device->endpoint, address)) {
        /* It would be cut off from us, and from its peers. */
        refusal_set(r, "channel",
                    "%s talks with the controller by that very address",
                    device->name);
    }
}

void
permanent_put_expect(const struct controller *c, const struct transfer *t,
                     struct json *params)
{
    unsigned int lifetime = lifetime_of(c, &t->address);

    if (lifetime) {
        message_put_integer(params, "permanent", lifetime);
    }
}

bool
permanent_is_open(const struct controller *c, const struct record *record)
{
    const char *lessee = leases_lessee(c->leases, &record->address);

    return leases_is_permanent(c->leases, &record->address)
           && !strcmp(record->owner, lessee)
           && !device_find_connected(&c->devices, lessee);
}

void
permanent_keep_holder(struct controller *c, const struct in6_addr *address,
                      const char *device)
{
    if (leases_is_permanent(c->leases, address)) {
        holders_keep(c->holders, address, device);
    }
}

bool
permanent_is_recalled(const struct controller *c, const struct record *record)
{
    const struct away *away = find_away(c->permanents, &record->address);

    return away && away->recall != LLONG_MAX
           && uuid_equals(&away->session, &record->session);
}

/* Watching. */

static long long int
lease_end(const struct controller *c, const struct in6_addr *address)
{
    unsigned int lifetime = lifetime_of(c, address);

    return time_msec() + lifetime * 1000LL + PERMANENT_MARGIN(lifetime);
}

/* Brings what is known of one address up to its record. */
static void
look_at(struct controller *c, const struct in6_addr *address,
        const struct record *record)
{
    struct permanents *ps = c->permanents;
    struct away *away = find_away(ps, address);

    if (!record || record->ended || !strcmp(record->owner, record->home)) {
        if (away) {
            away_free(ps, away);
        }
    } else if (!away || strcmp(away->owner, record->owner)) {
        /* A new lessee, or a new controller: a whole lease. */
        long long int recall = away ? away->recall : LLONG_MAX;

        if (away) {
            away_free(ps, away);
        }
        away = xzalloc(sizeof *away);
        away->address = *address;
        away->session = record->session;
        away->owner = xstrdup(record->owner);
        away->epoch = record->epoch;
        away->until = lease_end(c, address);
        away->recall = recall;
        hmap_insert(&ps->away, &away->node, hash_address(address));
    } else {
        away->epoch = record->epoch;
    }
}

static void
scan(struct controller *c)
{
    const struct shash_node *node;

    SHASH_FOR_EACH(node, &c->policy->devices) {
        const struct policy_device *pd = node->data;

        for (size_t i = 0; i < pd->n_permanent; i++) {
            struct record record;
            struct uuid session;

            permanent_session(pd->name, &pd->permanent[i].addr, &session);
            look_at(c, &pd->permanent[i].addr,
                    record_find(c->records, &session, &record));
        }
    }
}

/* Takes the address from its owner.  It may be in a transfer, whose end is
 * waited for. */
static void
revoke(struct controller *c, struct away *away, const char *reason)
{
    struct record view;
    const struct record *record = record_find(c->records, &away->session,
                                              &view);
    struct transfer_spec spec;

    if (!record || !strcmp(record->owner, record->home)) {
        return;
    }
    memset(&spec, 0, sizeof spec);
    uuid_generate(&spec.id);
    spec.session = record->session;
    spec.address = record->address;
    spec.epoch = record->epoch;
    spec.from = record->owner;
    spec.to = record->home;
    transfer_spec_fill(c, &spec);
    if (transfers_revoke(c->transfers, &spec, reason)) {
        VLOG_INFO("%s: its permanent address goes back to it from %s: %s",
                  record->home, record->owner, reason);
    }
}

void
permanents_run(struct controller *c)
{
    struct permanents *ps = c->permanents;
    long long int now = time_msec();
    struct away *away;

    if (now >= ps->next_scan) {
        scan(c);
        ps->next_scan = now + SCAN_INTERVAL;
    }
    HMAP_FOR_EACH_SAFE(away, node, &ps->away) {
        if (now >= away->until) {
            away->until = now + RETRY_INTERVAL;
            revoke(c, away, "the lease was not renewed");
        } else if (now >= away->recall) {
            away->recall = now + RETRY_INTERVAL;
            revoke(c, away, "it was asked for and did not come");
        }
    }
}

void
permanents_wait(const struct controller *c)
{
    const struct permanents *ps = c->permanents;
    const struct away *away;

    HMAP_FOR_EACH(away, node, &ps->away) {
        poll_timer_wait_until(MIN(away->until, away->recall));
    }
    if (hmap_count(&ps->away)) {
        poll_timer_wait_until(ps->next_scan);
    }
}

unsigned int
permanent_renew(struct controller *c, const struct record *record)
{
    struct away *away;

    look_at(c, &record->address, record);
    away = find_away(c->permanents, &record->address);
    if (away) {
        away->until = lease_end(c, &record->address);
    }
    return lifetime_of(c, &record->address);
}

bool
permanent_recall(struct controller *c, const struct record *record,
                 unsigned int ms)
{
    struct away *away;

    look_at(c, &record->address, record);
    away = find_away(c->permanents, &record->address);
    if (away) {
        away->recall = time_msec() + ms;
    }
    return away;
}

bool
permanent_ended(struct controller *c, const struct uuid *session,
                const struct in6_addr *address)
{
    struct record view;
    const struct record *record = record_find(c->records, session, &view);
    struct away *away;

    if (!leases_is_permanent(c->leases, address)) {
        return false;
    }
    if (record) {
        look_at(c, address, record);
        away = find_away(c->permanents, address);
        if (away) {
            away->until = time_msec() + RETRY_INTERVAL;
            revoke(c, away, "its owner gave it up");
        }
    }
    return true;
}

/* Telling. */

static struct json *
about(const struct transfer *t)
{
    struct json *params = json_object_create();

    message_put_uuid(params, "session", &t->session);
    message_put_address(params, "address", &t->address);
    message_put_integer(params, "epoch", t->epoch + 1);
    return params;
}

bool
permanent_tell_owned(struct controller *c, const struct transfer *t)
{
    struct device *device = device_find_connected(&c->devices, t->to);
    struct record record;

    if (!t->revoked) {
        return false;
    }
    if (device) { /* Otherwise its registration says it. */
        struct json *params = about(t);

        message_put_string(params, "reason", t->reason ? t->reason : "");
        link_notify(device->link, "wake", params);
    }
    look_at(c, &t->address, record_find(c->records, &t->session, &record));
    return true;
}

bool
permanent_tell_released(struct controller *c, const struct transfer *t)
{
    struct device *device = device_find_connected(&c->devices, t->from);

    if (!t->revoked) {
        return false;
    }
    if (device) {
        struct json *params = about(t);

        message_put_string(params, "owner", t->to);
        link_notify(device->link, "epoch", params);
    }
    return true;
}
