/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "late-packets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "hash.h"
#include "late-filter.h"
#include "late-tap.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(late_packets);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

/* Milliseconds for which an address that was looked up counts as known. */
#define KNOWN_LIFETIME 100

/* Taps an interface. */
struct tapped {
    struct ovs_list node; /* In late_packets's taps. */
    struct late_tap *tap;
};

struct known_address {
    struct in6_addr address;
    long long int until; /* time_msec(). */
};

struct late_packets {
    struct ovs_list taps; /* Of struct tapped. */
    struct hmap catches;  /* Of struct late_catch, by address. */
    int raw4, raw6;       /* Delivery. */

    /* What the taps' filters pass: at least all catches.  A catch that was
     * released stays until a packet comes by it, since attaching a filter costs
     * more than all else about a catch, and many come again. */
    struct late_filter_entry *passed;
    size_t n_passed;
    bool stale; /* A packet came that nobody catches. */

    /* Last ones looked up.  Packets come in runs of one correspondent's, and
     * the kernel's answer takes longer than the delivery. */
    struct known_address local, foreign;
};

struct late_catch {
    struct hmap_node node; /* In late_packets's catches. */
    struct late_packets *owner;
    struct in6_addr address;
    bool udp;

    struct late_packet *ring; /* 'allocated' of them, a power of two. */
    size_t allocated;
    size_t head, n; /* First and number of those waiting. */
    size_t bytes;   /* In those waiting. */
    struct late_stats stats;
};

static struct late_catch *
find_catch(const struct late_packets *lp, const struct in6_addr *address)
{
    struct late_catch *catch;

    HMAP_FOR_EACH_WITH_HASH(
        catch, node, hash_bytes(address, sizeof *address, 0), &lp->catches) {
        if (IN6_ARE_ADDR_EQUAL(&catch->address, address)) {
            return catch;
        }
    }
    return NULL;
}

/* Taps. */

static void
update_filters(struct late_packets *lp)
{
    size_t n = hmap_count(&lp->catches);
    struct late_catch *catch;
    struct tapped *tapped;

    lp->stale = false;
    lp->n_passed = 0;
    lp->passed = xrealloc(lp->passed, (n + 1) * sizeof *lp->passed);
    HMAP_FOR_EACH(catch, node, &lp->catches) {
        struct late_filter_entry *entry = &lp->passed[lp->n_passed++];

        entry->address = catch->address;
        entry->udp = catch->udp;
    }
    LIST_FOR_EACH(tapped, node, &lp->taps) {
        late_tap_set_filter(tapped->tap, lp->passed, n);
        if (!n) {
            /* Forget what was passed for catches that are no more. */
            late_tap_drain(tapped->tap);
        }
    }
}

/* Do the filters pass what 'catch' wants? */
static bool
is_passed(const struct late_packets *lp, const struct late_catch *catch)
{
    if (lp->n_passed > LATE_FILTER_ENTRIES) {
        return true;
    }
    for (size_t i = 0; i < lp->n_passed; i++) {
        const struct late_filter_entry *entry = &lp->passed[i];

        if (IN6_ARE_ADDR_EQUAL(&entry->address, &catch->address)) {
            return entry->udp || !catch->udp;
        }
    }
    return false;
}

static void
untap(struct tapped *tapped)
{
    late_tap_close(tapped->tap);
    ovs_list_remove(&tapped->node);
    free(tapped);
}

int
late_packets_add_interface(struct late_packets *lp, const char *ifname,
                           char **errorp)
{
    struct tapped *tapped, *next;
    struct late_tap *tap;
    int error;

    LIST_FOR_EACH_SAFE(tapped, next, node, &lp->taps) {
        if (!strcmp(late_tap_get_ifname(tapped->tap), ifname)) {
            if (late_tap_is_valid(tapped->tap)) {
                return 0;
            }
            untap(tapped);
        }
    }
    error = late_tap_open(ifname, &tap);
    if (error) {
        if (errorp) {
            *errorp = xasprintf("%s: cannot open a tap for late packets (%s)",
                                ifname, ovs_strerror(error));
        }
        return error;
    }
    tapped = xmalloc(sizeof *tapped);
    tapped->tap = tap;
    ovs_list_push_back(&lp->taps, &tapped->node);
    update_filters(lp);
    return 0;
}

void
late_packets_remove_interface(struct late_packets *lp, const char *ifname)
{
    struct tapped *tapped, *next;

    LIST_FOR_EACH_SAFE(tapped, next, node, &lp->taps) {
        if (!strcmp(late_tap_get_ifname(tapped->tap), ifname)) {
            untap(tapped);
        }
    }
}

/* The whole. */

static int
open_raw(int family, int *fdp)
{
    *fdp = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                  IPPROTO_RAW);
    return *fdp < 0 ? errno : 0;
}

struct late_packets *
late_packets_open(char **errorp)
{
    struct late_packets *lp = xzalloc(sizeof *lp);
    int error;

    ovs_list_init(&lp->taps);
    hmap_init(&lp->catches);
    lp->raw4 = lp->raw6 = -1;
    error = open_raw(AF_INET, &lp->raw4);
    if (!error) {
        error = open_raw(AF_INET6, &lp->raw6);
        if (error == EAFNOSUPPORT) {
            error = 0;
        }
    }
    if (error) {
        if (errorp) {
            *errorp = xasprintf("cannot open a raw socket for late packets "
                                "(%s); CAP_NET_RAW is needed",
                                ovs_strerror(error));
        }
        late_packets_close(lp);
        return NULL;
    }
    return lp;
}

void
late_packets_close(struct late_packets *lp)
{
    struct late_catch *catch, *next_catch;
    struct tapped *tapped, *next_tapped;

    if (!lp) {
        return;
    }
    HMAP_FOR_EACH_SAFE(catch, next_catch, node, &lp->catches) {
        late_packets_release(catch);
    }
    hmap_destroy(&lp->catches);
    LIST_FOR_EACH_SAFE(tapped, next_tapped, node, &lp->taps) {
        untap(tapped);
    }
    if (lp->raw4 >= 0) {
        close(lp->raw4);
    }
    if (lp->raw6 >= 0) {
        close(lp->raw6);
    }
    free(lp->passed);
    free(lp);
}

/* Catching. */

static void
catch_push(struct late_catch *catch, const uint8_t *data, size_t size)
{
    struct late_packet *packet;

    if (catch->n >= LATE_PACKETS_MAX || catch->bytes + size > LATE_BYTES_MAX) {
        catch->stats.dropped++;
        VLOG_WARN_RL(&rl,
                     "more late packets than %d, or than %u bytes, for "
                     "one address: dropped",
                     LATE_PACKETS_MAX, LATE_BYTES_MAX);
        return;
    }
    if (catch->n >= catch->allocated) {
        size_t old = catch->allocated;

        /* What has wrapped around goes behind the old end. */
        catch->allocated = old ? old * 2 : 64;
        catch->ring = xrealloc(catch->ring,
                               catch->allocated * sizeof *catch->ring);
        memcpy(catch->ring + old, catch->ring,
               catch->head * sizeof *catch->ring);
    }
    packet = &catch->ring[(catch->head + catch->n++) & (catch->allocated - 1)];
    packet->data = xmemdup(data, size);
    packet->size = size;
    catch->bytes += size;
    catch->stats.caught++;
    catch->stats.last_ms = time_msec();
}

bool
late_packets_next(struct late_catch *catch, struct late_packet *packet)
{
    if (!catch->n) {
        return false;
    }
    *packet = catch->ring[catch->head];
    catch->head = (catch->head + 1) & (catch->allocated - 1);
    catch->n--;
    catch->bytes -= packet->size;
    return true;
}

static void
take_packet(struct late_packets *lp, const struct late_tap_packet *packet)
{
    struct late_packet_info info;
    struct late_catch *catch;

    if (!late_packet_parse(packet->data, packet->n, &info)) {
        lp->stale |= hmap_is_empty(&lp->catches);
        return;
    }
    catch = find_catch(lp, &info.dst);
    if (!catch || (info.protocol == IPPROTO_UDP && !catch->udp)) {
        lp->stale = true;
        return;
    }
    if (!late_packet_is_for(packet->data, info.size, &catch->address)) {
        return;
    }
    if (packet->partial && !late_packet_complete(packet->data, &info)) {
        catch->stats.dropped++;
        return;
    }
    catch_push(catch, packet->data, info.size);
}

void
late_packets_run(struct late_packets *lp)
{
    struct late_tap_packet packet;
    struct tapped *tapped;

    if (!lp->n_passed) {
        return;
    }
    LIST_FOR_EACH(tapped, node, &lp->taps) {
        while (late_tap_next(tapped->tap, &packet)) {
            take_packet(lp, &packet);
        }
    }
    if (lp->stale && hmap_count(&lp->catches) <= LATE_FILTER_ENTRIES) {
        update_filters(lp);
    }
}

void
late_packets_wait(struct late_packets *lp)
{
    struct tapped *tapped;

    if (lp->n_passed) {
        LIST_FOR_EACH(tapped, node, &lp->taps) {
            late_tap_wait(tapped->tap);
        }
    }
}

struct late_catch *
late_packets_catch(struct late_packets *lp, const struct in6_addr *address,
                   bool udp)
{
    struct late_catch *catch = xzalloc(sizeof *catch);

    catch->owner = lp;
    catch->address = *address;
    catch->udp = udp;
    /* What came before is not for it. */
    late_packets_run(lp);
    hmap_insert(&lp->catches, &catch->node,
                hash_bytes(address, sizeof *address, 0));
    if (!is_passed(lp, catch)) {
        update_filters(lp);
    }
    return catch;
}

void
late_packets_get_stats(const struct late_catch *catch,
                       struct late_stats *stats)
{
    *stats = catch->stats;
}

void
late_packets_release(struct late_catch *catch)
{
    struct late_packets *lp;
    struct late_packet packet;

    if (!catch) {
        return;
    }
    lp = catch->owner;
    hmap_remove(&lp->catches, &catch->node);
    while (late_packets_next(catch, &packet)) {
        free(packet.data);
    }
    free(catch->ring);
    free(catch);
}

/* Delivery. */

/* Is 'address' one of this host's, or not, as 'local' says? */
static bool
check_address(struct known_address *known, const struct in6_addr *address,
              bool local)
{
    long long int now = time_msec();

    if (now < known->until && IN6_ARE_ADDR_EQUAL(address, &known->address)) {
        return true;
    }
    if (address_is_local(address) != local) {
        return false;
    }
    known->address = *address;
    known->until = now + KNOWN_LIFETIME;
    return true;
}

static int
send_raw(struct late_packets *lp, const struct in6_addr *address,
         const void *data, size_t size)
{
    struct sockaddr_in sin = { .sin_family = AF_INET };
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
    ssize_t n;

    if (IN6_IS_ADDR_V4MAPPED(address)) {
        sin.sin_addr.s_addr = in6_addr_get_mapped_ipv4(address);
        n = sendto(lp->raw4, data, size, 0, (struct sockaddr *) &sin,
                   sizeof sin);
    } else {
        sin6.sin6_addr = *address;
        n = sendto(lp->raw6, data, size, 0, (struct sockaddr *) &sin6,
                   sizeof sin6);
    }
    return n < 0 ? errno : 0;
}

int
late_packets_deliver(struct late_packets *lp, const struct in6_addr *address,
                     const void *data, size_t size)
{
    struct late_catch *catch = find_catch(lp, address);
    struct late_packet_info info;
    int error;

    if (!late_packet_is_for(data, size, address)
        || !late_packet_parse(data, size, &info)
        || !check_address(&lp->foreign, &info.src, false)) {
        /* From one of this host's own addresses would be a forgery. */
        error = EINVAL;
    } else if (!check_address(&lp->local, address, true)) {
        /* The raw socket would put it on the wire. */
        error = EADDRNOTAVAIL;
    } else {
        error = send_raw(lp, address, data, size);
    }
    if (error) {
        VLOG_DBG_RL(&rl,
                    "late packet of %" PRIuSIZE " bytes not delivered (%s)",
                    size, ovs_strerror(error));
    }
    if (catch) {
        catch->stats.delivered += !error;
        catch->stats.dropped += error != 0;
    }
    return error;
}
