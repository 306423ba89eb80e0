/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* The agent's kernel half (address, late-packets, attachment, dad) with real
 * packets, in namespaces of its own. */

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "attachment.h"
#include "dad.h"
#include "half-net.h"
#include "late-filter.h"
#include "late-packets.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "socket-util.h"
#include "../unit/unit.h"
#include "util.h"

#define PORT 5000
#define QUIET 150 /* Milliseconds that show that none comes. */
#define SOON 1000 /* Milliseconds in which something comes. */

#define FAMILIES_END (half_families + ARRAY_SIZE(half_families))

/* The far end finds the session address at the near end, asking nobody. */
static void
teach_far(const struct half_family *f)
{
    char text[INET6_ADDRSTRLEN];
    struct eth_addr mac = half_near_mac();

    ipv6_string_mapped(text, &f->session);
    half_enter_far();
    half_command("ip neigh replace %s lladdr " ETH_ADDR_FMT " dev v1", text,
                 ETH_ADDR_ARGS(mac));
    half_enter_near();
}

static int
far_socket(const struct half_family *f, int type)
{
    int fd;

    half_enter_far();
    fd = half_socket(type, &f->far, 0, 0);
    half_enter_near();
    return fd;
}

/* Makes the kernel want to say something for the session address: UDP from
 * one's own socket, an ICMP error, a TCP reset. */
static struct half_seen
provoke(const struct half_family *f, unsigned int mark)
{
    int near = half_socket(SOCK_DGRAM, &f->session, PORT, mark);
    int far_udp = far_socket(f, SOCK_DGRAM);
    int far_tcp = far_socket(f, SOCK_STREAM);
    struct half_seen seen;

    half_seen(&f->session, 0);
    half_send(near, &f->far, PORT, "out", 3);
    half_send(far_udp, &f->session, PORT + 1, "closed port", 11);
    half_connect(far_tcp, &f->session, PORT + 1);
    seen = half_seen(&f->session, QUIET);
    close(near);
    close(far_udp);
    close(far_tcp);
    return seen;
}

static void
test_closed_output(void)
{
    for (const struct half_family *f = half_families; f < FAMILIES_END; f++) {
        struct half_seen seen;

        teach_far(f);
        CU_ASSERT_EQUAL(address_add("v0", &f->session), 0);
        CU_ASSERT_EQUAL(address_add("v0", &f->session), 0);
        CU_ASSERT(address_is_local(&f->session));
        seen = provoke(f, 0);
        CU_ASSERT_EQUAL(seen.udp, 1);
        CU_ASSERT_EQUAL(seen.icmp, 1);
        CU_ASSERT_EQUAL(seen.rst, 1);

        CU_ASSERT_EQUAL(address_close_output(&f->session), 0);
        CU_ASSERT_EQUAL(address_close_output(&f->session), 0);
        seen = provoke(f, 0);
        CU_ASSERT_EQUAL(seen.from, 0);
        seen = provoke(f, ADDRESS_MARK);
        CU_ASSERT_EQUAL(seen.from, 1 + seen.nd);
        CU_ASSERT_EQUAL(seen.udp, 1);

        CU_ASSERT_EQUAL(address_open_output(&f->session), 0);
        CU_ASSERT_EQUAL(address_open_output(&f->session), 0);
        seen = provoke(f, 0);
        CU_ASSERT_EQUAL(seen.udp, 1);
        CU_ASSERT_EQUAL(address_del("v0", &f->session), 0);
        CU_ASSERT_EQUAL(address_del("v0", &f->session), 0);
    }
}

/* Has the far end ask who has the address, and counts the answers. */
static unsigned int
count_claims(const struct half_family *f)
{
    struct half_seen seen;
    int fd;

    char text[INET6_ADDRSTRLEN];

    ipv6_string_mapped(text, &f->session);
    half_enter_far();
    half_command("ip neigh del %s dev v1 2>/dev/null || true", text);
    half_enter_near();
    half_seen(&f->session, 0);
    fd = far_socket(f, SOCK_DGRAM);
    half_send(fd, &f->session, PORT, "who", 3);
    seen = half_seen(&f->session, QUIET);
    close(fd);
    return seen.claims;
}

static void
test_silent_on_lo(void)
{
    for (const struct half_family *f = half_families; f < FAMILIES_END; f++) {
        CU_ASSERT_EQUAL(address_add("lo", &f->session), 0);
        CU_ASSERT(address_is_local(&f->session));
        CU_ASSERT_EQUAL(count_claims(f), 0);
        CU_ASSERT_EQUAL(address_add("v0", &f->session), 0);
        CU_ASSERT_EQUAL(address_del("lo", &f->session), 0);
        CU_ASSERT(address_is_local(&f->session));
        address_wait("v0", &f->session);
        CU_ASSERT(count_claims(f) > 0);
        CU_ASSERT_EQUAL(address_del("v0", &f->session), 0);
        CU_ASSERT(!address_is_local(&f->session));
    }
}

/* An address of the device's own is still answered for. */
static void
test_arp_ignore_spares_others(void)
{
    struct half_family own = half_families[0];

    own.session.s6_addr[15] = 2;
    CU_ASSERT(count_claims(&own) > 0);
}

static void
test_leftovers(void)
{
    struct address_leftover *left;
    size_t n, found = 0;

    for (const struct half_family *f = half_families; f < FAMILIES_END; f++) {
        CU_ASSERT_EQUAL(address_add("v0", &f->session), 0);
        CU_ASSERT_EQUAL(address_close_output(&f->far), 0);
    }
    CU_ASSERT_EQUAL(address_close_output(&half_families[0].session), 0);
    CU_ASSERT_EQUAL(address_list_leftovers(&left, &n), 0);
    CU_ASSERT_EQUAL(n, 4);
    for (size_t i = 0; i < n; i++) {
        for (const struct half_family *f = half_families; f < FAMILIES_END;
             f++) {
            bool session = IN6_ARE_ADDR_EQUAL(&left[i].address, &f->session);

            if (session || IN6_ARE_ADDR_EQUAL(&left[i].address, &f->far)) {
                found++;
                CU_ASSERT_STRING_EQUAL(left[i].ifname, session ? "v0" : "");
                CU_ASSERT_EQUAL(left[i].output_closed,
                                !session || f->family == AF_INET);
                address_open_output(&left[i].address);
                address_del(left[i].ifname, &left[i].address);
            }
        }
    }
    CU_ASSERT_EQUAL(found, 4);
    free(left);
    CU_ASSERT_EQUAL(address_list_leftovers(&left, &n), 0);
    CU_ASSERT_EQUAL(n, 0);
    free(left);
}

static void
test_route(void)
{
    struct address_route route;
    struct in6_addr remote = half_families[0].far;
    struct eth_addr mac = half_near_mac();

    for (const struct half_family *f = half_families; f < FAMILIES_END; f++) {
        CU_ASSERT_EQUAL(address_route(&f->far, &route), 0);
        CU_ASSERT_STRING_EQUAL(route.ifname, "v0");
        CU_ASSERT(eth_addr_equals(route.mac, mac));
        CU_ASSERT_EQUAL(route.mtu, 1500);
        CU_ASSERT(IN6_IS_ADDR_UNSPECIFIED(&route.next_hop));
        CU_ASSERT(!address_is_local(&f->far));
    }
    half_command("ip route add 192.0.2.0/24 via 10.9.0.1 mtu 1400");
    remote = in6_addr_mapped_ipv4(htonl(0xc0000201));
    CU_ASSERT_EQUAL(address_route(&remote, &route), 0);
    CU_ASSERT_EQUAL(route.mtu, 1400);
    CU_ASSERT(IN6_ARE_ADDR_EQUAL(&route.next_hop, &half_families[0].far));
    remote = in6_addr_mapped_ipv4(htonl(0xc6336401));
    CU_ASSERT_NOT_EQUAL(address_route(&remote, &route), 0);
}

/* With a reverse path filter, closed output would close input too. */
static void
test_reverse_path(void)
{
    const struct half_family *f = &half_families[0];
    char data[16];
    int far, near;

    address_exit(); /* What the other tests had. */
    CU_ASSERT_EQUAL(half_read_setting("v0", "arp_ignore"), 0);
    half_write_setting("all", "rp_filter", 1);
    half_write_setting("lo", "rp_filter", 2);
    CU_ASSERT_EQUAL(address_init(NULL), 0);
    CU_ASSERT_EQUAL(address_use_interface("v0", NULL), 0);
    CU_ASSERT_EQUAL(half_read_setting("all", "rp_filter"), 0);
    CU_ASSERT_EQUAL(half_read_setting("v0", "rp_filter"), 0);
    CU_ASSERT_EQUAL(half_read_setting("lo", "rp_filter"), 2);
    CU_ASSERT_EQUAL(half_read_setting("default", "rp_filter"), 1);

    teach_far(f);
    CU_ASSERT_EQUAL(address_add("v0", &f->session), 0);
    CU_ASSERT_EQUAL(address_close_output(&f->session), 0);
    near = half_socket(SOCK_DGRAM, &f->session, PORT, 0);
    far = far_socket(f, SOCK_DGRAM);
    half_send(far, &f->session, PORT, "in", 2);
    CU_ASSERT_EQUAL(half_recv(near, data, sizeof data, SOON), 2);
    close(near);
    close(far);
    address_open_output(&f->session);
    address_del("v0", &f->session);

    address_exit();
    CU_ASSERT_EQUAL(half_read_setting("all", "rp_filter"), 1);
    CU_ASSERT_EQUAL(half_read_setting("lo", "rp_filter"), 2);
    CU_ASSERT_EQUAL(half_read_setting("default", "rp_filter"), 0);
    half_write_setting("all", "rp_filter", 0);
    half_write_setting("lo", "rp_filter", 0);
    CU_ASSERT_EQUAL(address_init(NULL), 0);
    CU_ASSERT_EQUAL(address_use_interface("v0", NULL), 0);
    CU_ASSERT_NOT_EQUAL(address_use_interface("none", NULL), 0);
}

/* Late packets. */

static struct late_packets *
open_taps(void)
{
    char *error = NULL;
    struct late_packets *lp = late_packets_open(&error);

    CU_ASSERT_PTR_NOT_NULL_FATAL(lp);
    CU_ASSERT_EQUAL(late_packets_add_interface(lp, "v0", &error), 0);
    CU_ASSERT_EQUAL(late_packets_add_interface(lp, "v0", &error), 0);
    CU_ASSERT_NOT_EQUAL(late_packets_add_interface(lp, "none", NULL), 0);
    return lp;
}

/* Next packet caught, within SOON; false if none. */
static bool
next_packet(struct late_packets *lp, struct late_catch *catch,
            struct late_packet *packet)
{
    for (int i = 0; i < SOON; i++) {
        late_packets_run(lp);
        if (late_packets_next(catch, packet)) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

/* Delivers all that was caught and comes within QUIET; returns the number. */
static int
deliver_all(struct late_packets *lp, struct late_catch *catch,
            const struct in6_addr *address, size_t *largest)
{
    struct late_packet packet;
    int n = 0;

    for (int i = 0; i < QUIET / 5; i++) {
        late_packets_run(lp);
        while (late_packets_next(catch, &packet)) {
            CU_ASSERT_EQUAL(
                late_packets_deliver(lp, address, packet.data, packet.size),
                0);
            *largest = MAX(*largest, packet.size);
            free(packet.data);
            n++;
        }
        usleep(5000);
    }
    return n;
}

/* Datagrams that were caught reach a socket made afterwards, each once; where
 * the address is, which reverse path filter there is, and whether output is
 * closed, does not matter. */
static void
check_datagrams(struct late_packets *lp, const struct half_family *f,
                const char *ifname)
{
    struct late_catch *catch = late_packets_catch(lp, &f->session, true);
    int far = far_socket(f, SOCK_DGRAM);
    size_t largest = 0;
    struct late_stats stats;
    char data[16];
    int near;

    CU_ASSERT_EQUAL(address_add(ifname, &f->session), 0);
    CU_ASSERT_EQUAL(address_close_output(&f->session), 0);
    for (int i = 0; i < 100; i++) {
        half_send(far, &f->session, PORT, &i, sizeof i);
    }
    usleep(QUIET * 100);
    near = half_socket(SOCK_DGRAM, &f->session, PORT, 0);
    CU_ASSERT_EQUAL(deliver_all(lp, catch, &f->session, &largest), 100);
    for (int i = 0; i < 100; i++) {
        CU_ASSERT_EQUAL(half_recv(near, data, sizeof data, SOON), sizeof i);
        CU_ASSERT(!memcmp(data, &i, sizeof i));
    }
    CU_ASSERT_EQUAL(half_recv(near, data, sizeof data, 0), -EAGAIN);
    late_packets_get_stats(catch, &stats);
    CU_ASSERT_EQUAL(stats.caught, 100);
    CU_ASSERT_EQUAL(stats.delivered, 100);
    CU_ASSERT_EQUAL(stats.dropped, 0);
    CU_ASSERT(stats.last_ms > 0);
    close(near);
    close(far);
    late_packets_release(catch);
    address_open_output(&f->session);
    address_del(ifname, &f->session);
}

static void
test_datagrams(void)
{
    static const char *ifnames[] = { "lo", "v0" };
    struct late_packets *lp = open_taps();

    for (const struct half_family *f = half_families; f < FAMILIES_END; f++) {
        teach_far(f);
        for (size_t i = 0; i < ARRAY_SIZE(ifnames); i++) {
            check_datagrams(lp, f, ifnames[i]);
        }
    }
    for (int rp_filter = 1; rp_filter <= 2; rp_filter++) {
        half_write_setting("all", "rp_filter", rp_filter);
        for (size_t i = 0; i < ARRAY_SIZE(ifnames); i++) {
            check_datagrams(lp, &half_families[0], ifnames[i]);
        }
    }
    half_write_setting("all", "rp_filter", 0);
    late_packets_close(lp);
}

/* Nothing is caught but what is asked for. */
static void
test_selection(void)
{
    struct late_packets *lp = open_taps();
    struct late_packet packet;

    for (const struct half_family *f = half_families; f < FAMILIES_END; f++) {
        struct late_catch *none, *catch;
        int far = far_socket(f, SOCK_DGRAM);
        int tcp = far_socket(f, SOCK_STREAM);
        struct in6_addr others[LATE_FILTER_ENTRIES + 10];
        struct late_catch *catches[ARRAY_SIZE(others)];

        teach_far(f);
        half_send(far, &f->session, PORT, "too early", 9);
        none = late_packets_catch(lp, &f->far, true);
        catch = late_packets_catch(lp, &f->session, false);
        half_send(far, &f->session, PORT, "datagram", 8);
        half_connect(tcp, &f->session, PORT);
        CU_ASSERT(next_packet(lp, catch, &packet));
        free(packet.data);
        CU_ASSERT(!late_packets_next(catch, &packet));
        CU_ASSERT(!late_packets_next(none, &packet));

        /* So many addresses that the kernel no longer compares them. */
        for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
            others[i] = f->session;
            others[i].s6_addr[14] = i + 1;
            catches[i] = late_packets_catch(lp, &others[i], true);
        }
        close(tcp);
        tcp = far_socket(f, SOCK_STREAM);
        half_send(far, &f->session, PORT, "datagram", 8);
        half_connect(tcp, &f->session, PORT);
        CU_ASSERT(next_packet(lp, catch, &packet));
        free(packet.data);
        CU_ASSERT(!late_packets_next(catch, &packet));
        for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
            CU_ASSERT(!late_packets_next(catches[i], &packet));
            late_packets_release(catches[i]);
        }

        /* What is caught and not wanted goes. */
        close(tcp);
        tcp = far_socket(f, SOCK_STREAM);
        half_connect(tcp, &f->session, PORT);
        usleep(QUIET * 100);
        late_packets_release(catch);
        late_packets_release(none);
        catch = late_packets_catch(lp, &f->session, false);
        late_packets_run(lp);
        CU_ASSERT(!late_packets_next(catch, &packet));
        late_packets_release(catch);
        close(far);
        close(tcp);
    }
    late_packets_close(lp);
}

/* Drops all segments at a socket, as freezing does; 'enable' false undoes. */
static void
close_input(int fd, bool enable)
{
    struct sock_filter insn = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog fprog = { 1, &insn };
    static const int zero;

    CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET,
                               enable ? SO_ATTACH_FILTER : SO_DETACH_FILTER,
                               enable ? (const void *) &fprog : &zero,
                               enable ? sizeof fprog : sizeof zero),
                    0);
}

static int
wait_accept(int listener)
{
    struct pollfd pfd = { .fd = listener, .events = POLLIN };

    poll(&pfd, 1, SOON);
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* A connection is made by a SYN that was caught, and takes, by delivery alone,
 * segments that offload had merged. */
static void
test_segments(void)
{
    static uint8_t sent[200000], got[sizeof sent];
    struct late_packets *lp = open_taps();

    for (size_t i = 0; i < sizeof sent; i++) {
        sent[i] = i * 7 + i / 251;
    }
    for (const struct half_family *f = half_families; f < FAMILIES_END; f++) {
        struct late_catch *catch;
        int far, listener, near;
        size_t n = 0, largest = 0;
        ssize_t retval, to_come;

        teach_far(f);
        far = far_socket(f, SOCK_STREAM);
        CU_ASSERT_EQUAL(address_add("lo", &f->session), 0);
        CU_ASSERT_EQUAL(address_close_output(&f->session), 0);
        catch = late_packets_catch(lp, &f->session, false);
        CU_ASSERT_EQUAL(half_connect(far, &f->session, PORT), EINPROGRESS);
        usleep(QUIET * 100);
        listener = half_socket(SOCK_STREAM, &f->session, PORT, 0);
        listen(listener, 5);
        address_open_output(&f->session);
        CU_ASSERT(deliver_all(lp, catch, &f->session, &largest) > 0);
        near = wait_accept(listener);
        CU_ASSERT_FATAL(near >= 0);
        deliver_all(lp, catch, &f->session, &largest);

        close_input(near, true);
        to_come = send(far, sent, sizeof sent, 0);
        CU_ASSERT(to_come > 10000);
        usleep(QUIET * 100);
        CU_ASSERT_EQUAL(half_recv(near, got, sizeof got, 0), -EAGAIN);
        close_input(near, false);
        for (int i = 0; i < 20 && n < to_come; i++) {
            deliver_all(lp, catch, &f->session, &largest);
            while ((retval = half_recv(near, got + n, sizeof got - n, 0))
                   > 0) {
                n += retval;
            }
        }
        CU_ASSERT_EQUAL(n, to_come);
        CU_ASSERT(!memcmp(got, sent, MIN(n, to_come)));
        CU_ASSERT(largest > 1500);
        late_packets_release(catch);
        close(near);
        close(listener);
        close(far);
        usleep(QUIET * 100);
        address_del("lo", &f->session);
    }
    late_packets_close(lp);
}

/* What must not be delivered: to an address that is not here (it would go out
 * again), from one of our own. */
static void
test_refusals(void)
{
    struct late_packets *lp = open_taps();
    const struct half_family *f = &half_families[0];
    struct late_catch *catch = late_packets_catch(lp, &f->session, true);
    struct late_packet packet;
    int far = far_socket(f, SOCK_DGRAM);

    teach_far(f);
    half_send(far, &f->session, PORT, "x", 1);
    CU_ASSERT_FATAL(next_packet(lp, catch, &packet));
    CU_ASSERT_EQUAL(
        late_packets_deliver(lp, &f->session, packet.data, packet.size),
        EADDRNOTAVAIL);
    CU_ASSERT_EQUAL(address_add("lo", &f->session), 0);
    CU_ASSERT_EQUAL(
        late_packets_deliver(lp, &f->session, packet.data, packet.size), 0);
    CU_ASSERT_EQUAL(
        late_packets_deliver(lp, &f->far, packet.data, packet.size), EINVAL);
    CU_ASSERT_EQUAL(
        late_packets_deliver(lp, &f->session, packet.data, packet.size - 1),
        EINVAL);
    packet.data[15] = 2; /* 10.9.0.2: the near end's own. */
    CU_ASSERT_EQUAL(
        late_packets_deliver(lp, &f->session, packet.data, packet.size),
        EINVAL);
    free(packet.data);
    late_packets_release(catch);
    late_packets_close(lp);
    close(far);
    address_del("lo", &f->session);
}

/* Attachment. */

static const uint8_t sa_key[SEAL_KEY_LEN] = "a key of thirty-two bytes, about";

static int
open_frames(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ATTACHMENT_ETH_TYPE),
        .sll_ifindex = if_nametoindex("v1"),
    };

    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *) &sll, sizeof sll), 0);
    return fd;
}

static void
send_probe(int fd, uint8_t nonce, const uint8_t key[SEAL_KEY_LEN])
{
    struct attachment_frame f = {
        .src = ETH_ADDR_C(02, 00, 00, 00, 00, 01),
        .dst = half_near_mac(),
        .kind = ATTACHMENT_PROBE,
        .sa_id = 7,
        .nonce = { nonce },
    };
    uint8_t bytes[ATTACHMENT_FRAME_LEN];

    attachment_frame_compose(&f, key, bytes);
    CU_ASSERT_EQUAL(send(fd, bytes, sizeof bytes, 0), sizeof bytes);
}

static void
check_attachment(const char *const *ifnames)
{
    static const uint8_t wrong_key[SEAL_KEY_LEN];
    struct attachment *at = attachment_open(ifnames, NULL);
    uint8_t nonce[ATTACHMENT_NONCE_LEN] = { 42 };
    uint8_t bytes[ATTACHMENT_FRAME_LEN + 1];
    struct attachment_frame frame;
    struct eth_addr mac = half_near_mac();
    char ifname[16];
    int fd;

    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    half_enter_far();
    fd = open_frames();
    half_enter_near();
    attachment_answer(at, 7, sa_key, nonce);
    CU_ASSERT_EQUAL(half_recv(fd, bytes, sizeof bytes, SOON),
                    ATTACHMENT_FRAME_LEN);
    CU_ASSERT(attachment_frame_parse(bytes, ATTACHMENT_FRAME_LEN, &frame));
    CU_ASSERT(attachment_frame_verify(&frame, sa_key));
    CU_ASSERT_EQUAL(frame.kind, ATTACHMENT_ANSWER);
    CU_ASSERT_EQUAL(frame.nonce[0], 42);
    CU_ASSERT(eth_addr_equals(frame.src, mac));

    send_probe(fd, 1, wrong_key);
    send_probe(fd, 2, sa_key);
    usleep(QUIET * 100);
    attachment_run(at);
    CU_ASSERT(attachment_next_probe(at, 7, sa_key, nonce, ifname));
    CU_ASSERT_EQUAL(nonce[0], 2);
    CU_ASSERT_STRING_EQUAL(ifname, "v0");
    CU_ASSERT(!attachment_next_probe(at, 7, sa_key, nonce, ifname));
    send_probe(fd, 3, sa_key);
    usleep(QUIET * 100);
    attachment_run(at);
    CU_ASSERT(!attachment_next_probe(at, 8, sa_key, nonce, ifname));
    close(fd);
    attachment_close(at);
}

static void
test_attachment(void)
{
    static const char *const named[] = { "v0", NULL };
    static const char *const missing[] = { "none", NULL };
    char *error = NULL;

    check_attachment(named);
    check_attachment(NULL);
    CU_ASSERT_PTR_NULL(attachment_open(missing, &error));
    CU_ASSERT_PTR_NOT_NULL(error);
    free(error);
}

/* Duplicate address detection. */

/* Waits for a claim of 'address'; false if there is none. */
static bool
wait_claim(struct dad *dad, const struct in6_addr *address, int wait)
{
    struct dad_claim claim;

    for (int i = 0; i < wait / 5; i++) {
        dad_run(dad);
        while (dad_next(dad, &claim)) {
            if (IN6_ARE_ADDR_EQUAL(&claim.address, address)) {
                return true;
            }
        }
        usleep(5000);
    }
    return false;
}

static void
test_dad(void)
{
    struct dad *dad = dad_open("v0", NULL);
    struct dad_prefix prefixes[] = {
        { half_families[0].session, 96 + 24 },
        { half_families[1].session, 64 },
    };

    CU_ASSERT_PTR_NOT_NULL_FATAL(dad);
    dad_watch(dad, prefixes, ARRAY_SIZE(prefixes));
    for (const struct half_family *f = half_families; f < FAMILIES_END; f++) {
        char text[INET6_ADDRSTRLEN];

        ipv6_string_mapped(text, &f->session);
        dad_listen(dad, &f->session, true);
        CU_ASSERT_EQUAL(dad_probe(dad, &f->session), 0);
        CU_ASSERT(!wait_claim(dad, &f->session, QUIET));
        CU_ASSERT_EQUAL(dad_probe(dad, &f->far), 0);
        CU_ASSERT(wait_claim(dad, &f->far, SOON));

        /* The far end takes it, with a probe (IPv6) or by using it. */
        half_enter_far();
        half_command("ip addr add %s/%d dev v1", text,
                     f->family == AF_INET ? 24 : 64);
        if (f->family == AF_INET) {
            int fd = half_socket(SOCK_DGRAM, &f->session, 0, 0);
            struct in6_addr near = f->far;

            half_command("ip neigh flush dev v1");
            near.s6_addr[15] = 2;
            half_send(fd, &near, PORT, "x", 1);
            close(fd);
        }
        half_enter_near();
        CU_ASSERT(wait_claim(dad, &f->session, 2 * SOON));
        dad_listen(dad, &f->session, false);
        half_enter_far();
        half_command("ip addr del %s/%d dev v1", text,
                     f->family == AF_INET ? 24 : 64);
        half_enter_near();

        /* What is not watched is not seen. */
        dad_watch(dad, prefixes, 0);
        CU_ASSERT_EQUAL(dad_probe(dad, &f->far), 0);
        CU_ASSERT(!wait_claim(dad, &f->far, QUIET));
        dad_watch(dad, prefixes, ARRAY_SIZE(prefixes));
    }
    dad_close(dad);
    CU_ASSERT_PTR_NULL(dad_open("none", NULL));
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "closed output", test_closed_output },
        { "silent on lo", test_silent_on_lo },
        { "own addresses", test_arp_ignore_spares_others },
        { "leftovers", test_leftovers },
        { "route", test_route },
        { "reverse path", test_reverse_path },
        { "datagrams", test_datagrams },
        { "selection", test_selection },
        { "segments", test_segments },
        { "refusals", test_refusals },
        { "attachment", test_attachment },
        { "dad", test_dad },
    };
    int retval;

    half_init();
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);
    if (address_init(NULL) || address_use_interface("v0", NULL)) {
        fprintf(stderr, "address_init failed\n");
        return 1;
    }
    retval = unit_run("kernel-half", tests, ARRAY_SIZE(tests));
    address_exit();
    return retval;
}
