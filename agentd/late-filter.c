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

/* Skips 'n' instructions unless the accumulator is 'value'. */
static void
skip_unless(struct program *p, uint32_t value, uint8_t n)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, n);
}

static void
ret(struct program *p, uint32_t verdict)
{
    emit(p, BPF_RET | BPF_K, verdict, 0, 0);
}

/* Passes packets for 'entry', and falls through with others. */
static void
emit_entry(struct program *p, const struct late_filter_entry *entry)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&entry->address);
    int n_words = v4 ? 1 : 4;
    uint32_t words[4];

    memcpy(words, v4 ? &entry->address.s6_addr[12] : entry->address.s6_addr,
           n_words * sizeof *words);
    for (int i = 0; i < n_words; i++) {
        /* Past the other words, and past the verdict. */
        int rest = (n_words - 1 - i) * 2 + (entry->udp ? 1 : 4);

        load(p, BPF_W, (v4 ? 16 : 24) + i * 4);
        skip_unless(p, ntohl(words[i]), rest);
    }
    if (!entry->udp) {
        load(p, BPF_B, v4 ? 9 : 6);
        skip_unless(p, IPPROTO_UDP, 1);
        ret(p, DROP);
    }
    ret(p, PASS);
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
        if (IN6_IS_ADDR_V4MAPPED(&entries[i].address) == v4) {
            emit_entry(p, &entries[i]);
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
