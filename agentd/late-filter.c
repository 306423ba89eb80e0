/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "late-filter.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>

#include "packets.h"
#include "util.h"

#define PASS UINT32_MAX /* Bytes: the whole packet. */
#define DROP 0

struct program {
    struct sock_filter *insns;
    size_t n;
};

static void
emit(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
    ovs_assert(p->n < LATE_FILTER_MAX);
    p->insns[p->n++] = (struct sock_filter) BPF_JUMP(code, k, jt, jf);
}

static void
load(struct program *p, uint16_t size, uint32_t ofs)
{
    emit(p, BPF_LD | size | BPF_ABS, ofs, 0, 0);
}

/* Skips 'yes' instructions if the accumulator is 'value', otherwise 'no'. */
static void
skip(struct program *p, uint32_t value, uint8_t yes, uint8_t no)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
}

static void
ret(struct program *p, uint32_t verdict)
{
    emit(p, BPF_RET | BPF_K, verdict, 0, 0);
}

/* Do the two differ in nothing but the last word of the address?  The kernel
 * compiles a program each time that it gets one, so it pays to be short, and
 * addresses of a block have the rest in common. */
static bool
are_alike(const struct late_filter_entry *a, const struct late_filter_entry *b)
{
    return a->udp == b->udp && !memcmp(&a->address, &b->address, 12);
}

static uint32_t
word(const struct late_filter_entry *entry, int i)
{
    uint32_t value;

    memcpy(&value, &entry->address.s6_addr[i * 4], sizeof value);
    return ntohl(value);
}

/* Passes packets for those of the 'n' entries that are like the first, and
 * falls through with others. */
static void
emit_alike(struct program *p, const struct late_filter_entry *entries,
           size_t n)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&entries->address);
    int n_verdict = entries->udp ? 1 : 4;
    size_t n_alike = 0;

    for (size_t i = 0; i < n; i++) {
        n_alike += are_alike(entries, &entries[i]);
    }
    for (int i = 0; !v4 && i < 3; i++) {
        load(p, BPF_W, 24 + i * 4);
        /* Past the other words, the last words, and the verdict. */
        skip(p, word(entries, i), 0, (2 - i) * 2 + 1 + n_alike + n_verdict);
    }
    load(p, BPF_W, v4 ? 16 : 24 + 3 * 4);
    for (size_t i = 0; n_alike; i++) {
        if (are_alike(entries, &entries[i])) {
            n_alike--;
            skip(p, word(&entries[i], 3), n_alike, n_alike ? 0 : n_verdict);
        }
    }
    if (!entries->udp) {
        load(p, BPF_B, v4 ? 9 : 6);
        skip(p, IPPROTO_UDP, 0, 1);
        ret(p, DROP);
    }
    ret(p, PASS);
}

static bool
is_first_of_its_kind(const struct late_filter_entry *entries, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (are_alike(&entries[j], &entries[i])) {
            return false;
        }
    }
    return true;
}

/* Verdict on packets of one version of IP. */
static void
emit_version(struct program *p, const struct late_filter_entry *entries,
             size_t n, bool v4)
{
    if (n > LATE_FILTER_ENTRIES) {
        ret(p, PASS);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (IN6_IS_ADDR_V4MAPPED(&entries[i].address) == v4
            && is_first_of_its_kind(entries, i)) {
            emit_alike(p, &entries[i], n - i);
        }
    }
    ret(p, DROP);
}

size_t
late_filter_build(const struct late_filter_entry *entries, size_t n,
                  struct sock_filter program[LATE_FILTER_MAX])
{
    struct program p = { program, 0 };
    size_t jump;

    if (!n) {
        ret(&p, DROP);
        return p.n;
    }
    /* What a bridge floods and what is meant for others is not for us. */
    load(&p, BPF_W, SKF_AD_OFF + SKF_AD_PKTTYPE);
    emit(&p, BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 1, 0);
    ret(&p, DROP);
    load(&p, BPF_W, SKF_AD_OFF + SKF_AD_PROTOCOL);
    emit(&p, BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 1, 0);
    jump = p.n;
    emit(&p, BPF_JMP | BPF_JA, 0, 0, 0);
    emit_version(&p, entries, n, true);
    p.insns[jump].k = p.n - jump - 1;
    emit(&p, BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 1, 0);
    ret(&p, DROP);
    emit_version(&p, entries, n, false);
    return p.n;
}
