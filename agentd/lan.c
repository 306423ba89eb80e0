/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "lan.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "announcement.h"
#include "dad.h"
#include "handover.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(lan);
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Milliseconds.  RFC 5227: ANNOUNCE_NUM and ANNOUNCE_INTERVAL; RFC 4861:
 * MAX_NEIGHBOR_ADVERTISEMENT and RETRANS_TIMER. */
#define ARP_ANNOUNCE_NUM 2
#define ARP_ANNOUNCE_INTERVAL 2000
#define ND_ANNOUNCE_NUM 3
#define ND_ANNOUNCE_INTERVAL 1000
/* RFC 5227: DEFEND_INTERVAL. */
#define DEFEND_INTERVAL 10000
/* Milliseconds between two announcements because of late packets, and within
 * which one announcement is enough. */
#define REMIND_INTERVAL 1000
#define AGAIN_INTERVAL 100

/* An address of which something is still to be said, or was said just now. */
struct announced {
    struct hmap_node node; /* In struct lan, by 'address'. */
    struct in6_addr address;
    int n_left;             /* Announcements of the series to come. */
    long long int next;     /* time_msec() of the next, or LLONG_MAX. */
    long long int last;     /* time_msec() of the last one. */
    long long int defended; /* The same of the last in defence, or 0. */
};

struct lan {
    char ifname[IF_NAMESIZE]; /* Empty: not on a plain LAN. */
    struct dad *dad;          /* What others say; or NULL. */
    int fd;                   /* To announce by; -1: could not be opened. */
    struct hmap announced;    /* Of struct announced. */
    long long int next_event; /* time_msec(). */
};

struct lan *
lan_create(void)
{
    struct lan *lan = xzalloc(sizeof *lan);

    hmap_init(&lan->announced);
    lan->fd = -1;
    lan->next_event = LLONG_MAX;
    return lan;
}

static void
leave(struct lan *lan)
{
    struct announced *a;

    HMAP_FOR_EACH_POP(a, node, &lan->announced) {
        free(a);
    }
    dad_close(lan->dad);
    lan->dad = NULL;
    if (lan->fd >= 0) {
        close(lan->fd);
        lan->fd = -1;
    }
    lan->ifname[0] = '\0';
    lan->next_event = LLONG_MAX;
}

void
lan_destroy(struct lan *lan)
{
    if (lan) {
        leave(lan);
        hmap_destroy(&lan->announced);
        free(lan);
    }
}

bool
lan_is_plain(const struct lan *lan)
{
    return lan->ifname[0] != '\0';
}

/* The interface. */

void
lan_set_interface(struct lan *lan, const char *ifname,
                  const struct json *pools)
{
    struct dad_prefix *prefixes;
    char *error = NULL;
    size_t n;

    if (!strcmp(ifname ? ifname : "", lan->ifname)) {
        return;
    }
    leave(lan);
    if (!ifname) {
        return;
    }
    ovs_strlcpy(lan->ifname, ifname, sizeof lan->ifname);
    lan->fd = announcement_open();
    if (lan->fd < 0) {
        VLOG_ERR("%s: nobody can be told which addresses are ours (%s)",
                 ifname, ovs_strerror(-lan->fd));
    }
    lan->dad = dad_open(ifname, &error);
    if (!lan->dad) {
        VLOG_ERR("%s", error);
        free(error);
        return;
    }
    prefixes = dad_prefixes_from_json(pools, &n);
    dad_watch(lan->dad, prefixes, n);
    free(prefixes);
}

/* Announcing. */

static struct announced *
find(const struct lan *lan, const struct in6_addr *address)
{
    struct announced *a;

    HMAP_FOR_EACH_WITH_HASH(a, node, hash_bytes(address, sizeof *address, 0),
                            &lan->announced) {
        if (ipv6_addr_equals(&a->address, address)) {
            return a;
        }
    }
    return NULL;
}

static struct announced *
find_or_add(struct lan *lan, const struct in6_addr *address)
{
    struct announced *a = find(lan, address);

    if (!a) {
        a = xzalloc(sizeof *a);
        a->address = *address;
        a->next = LLONG_MAX;
        a->last = LLONG_MIN / 2;
        hmap_insert(&lan->announced, &a->node,
                    hash_bytes(address, sizeof *address, 0));
    }
    return a;
}

static void
announce(struct lan *lan, struct announced *a)
{
    int error = lan->fd < 0
                    ? EBADF
                    : announcement_send(lan->fd, lan->ifname, &a->address);
    bool v4 = IN6_IS_ADDR_V4MAPPED(&a->address);

    if (error) {
        VLOG_WARN_RL(&rl, "%s: an address could not be announced (%s)",
                     lan->ifname, ovs_strerror(error));
    }
    a->last = time_msec();
    a->n_left -= a->n_left > 0;
    a->next = (!a->n_left ? LLONG_MAX
               : v4       ? a->last + ARP_ANNOUNCE_INTERVAL
                          : a->last + ND_ANNOUNCE_INTERVAL);
    lan->next_event = MIN(lan->next_event,
                          MIN(a->next, a->last + DEFEND_INTERVAL));
}

void
lan_bound(struct lan *lan, const struct in6_addr *address)
{
    struct announced *a;

    if (!lan_is_plain(lan)) {
        return;
    }
    a = find_or_add(lan, address);
    if (time_msec() >= a->last + AGAIN_INTERVAL) {
        a->n_left = (IN6_IS_ADDR_V4MAPPED(address) ? ARP_ANNOUNCE_NUM
                                                   : ND_ANNOUNCE_NUM);
        announce(lan, a);
    }
}

void
lan_unbound(struct lan *lan, const struct in6_addr *address)
{
    struct announced *a = find(lan, address);

    if (a) {
        hmap_remove(&lan->announced, &a->node);
        free(a);
    }
}

/* Is it ours to speak for?  What is being given away may be another's by now,
 * and what is coming is not ours yet. */
static bool
is_ours(const struct agent *agent, const struct in6_addr *address)
{
    const struct session *s = session_find_address(&agent->sessions, address);

    return (s && !s->ending
            && (!s->handover
                || (handover_is_giving(s->handover)
                    && s->handover->state < GIVE_PREPARING)));
}

void
lan_remind(struct agent *agent, const struct in6_addr *address)
{
    struct lan *lan = agent->lan;

    if (lan_is_plain(lan) && is_ours(agent, address)) {
        struct announced *a = find_or_add(lan, address);

        if (time_msec() >= a->last + REMIND_INTERVAL) {
            announce(lan, a);
        }
    }
}

static void
defend(struct agent *agent, const struct dad_claim *claim)
{
    struct lan *lan = agent->lan;
    char text[INET6_ADDRSTRLEN];
    struct announced *a;

    if (!is_ours(agent, &claim->address)) {
        return;
    }
    a = find_or_add(lan, &claim->address);
    if (a->defended && time_msec() < a->defended + DEFEND_INTERVAL) {
        return;
    }
    ipv6_string_mapped(text, &claim->address);
    VLOG_WARN_RL(&rl,
                 "%s: " ETH_ADDR_FMT " on %s speaks for this address of a "
                 "session that is here: announced again",
                 text, ETH_ADDR_ARGS(claim->mac), lan->ifname);
    announce(lan, a);
    a->defended = a->last;
}

static void
run_announced(struct agent *agent)
{
    struct lan *lan = agent->lan;
    long long int now = time_msec();
    struct announced *a;

    lan->next_event = LLONG_MAX;
    HMAP_FOR_EACH_SAFE(a, node, &lan->announced) {
        bool ours = is_ours(agent, &a->address);

        if (ours && now >= a->next) {
            announce(lan, a);
        }
        if (!ours || now >= a->last + DEFEND_INTERVAL) {
            hmap_remove(&lan->announced, &a->node);
            free(a);
        } else {
            lan->next_event = MIN(lan->next_event,
                                  MIN(a->next, a->last + DEFEND_INTERVAL));
        }
    }
}

void
lan_run(struct agent *agent)
{
    struct lan *lan = agent->lan;
    struct dad_claim claim;

    if (lan->dad) {
        dad_run(lan->dad);
        while (dad_next(lan->dad, &claim)) {
            /* The kernel answers those who only ask whether they may. */
            if (!claim.probe) {
                defend(agent, &claim);
            }
        }
    }
    if (time_msec() >= lan->next_event) {
        run_announced(agent);
    }
}

void
lan_wait(const struct lan *lan)
{
    if (lan->dad) {
        dad_wait(lan->dad);
    }
    poll_timer_wait_until(lan->next_event);
}
