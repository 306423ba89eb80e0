/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_AGENT_LAN_H
#define BATON_AGENT_LAN_H 1

/* A plain LAN: no bridge of ours brings packets for a session address to the
 * device that has it, so the device says so itself.
 *
 *     lan = lan_create();
 *     lan_set_interface(lan, "eth0", pools, n);   attached to a plain LAN
 *     lan_bound(lan, &address);                   it is ours from now on
 *     lan_run(agent); lan_wait(lan);
 *
 * What is bound is announced at once, and again: an ARP announcement once more
 * after two seconds (RFC 5227, section 2.3), an advertisement twice, a second
 * apart (RFC 4861, section 7.2.6 and 10).  Nothing waits between a host's
 * asking and the kernel's answer, which is for an address on the interface.
 *
 * What is ours is defended: if another host speaks as if it had the address,
 * it is announced anew, at most every ten seconds for each address (RFC 5227,
 * section 2.4, b), and logged; not what is on its way to another device.  If
 * packets still reach the device that had the address before, somebody has not
 * heard: lan_remind().
 *
 * Without an interface (the device is on a bridge of ours) all this does
 * nothing. */

#include <stdbool.h>
#include <stddef.h>
#include <netinet/in.h>

struct agent;
struct dad_prefix;
struct json;
struct lan;

struct lan *lan_create(void);
void lan_destroy(struct lan *);
void lan_run(struct agent *);
void lan_wait(const struct lan *);

/* 'ifname' NULL: not on a plain LAN.  'pools': where session addresses come
 * from, an array of prefixes in text form. */
void lan_set_interface(struct lan *, const char *ifname,
                       const struct json *pools);
bool lan_is_plain(const struct lan *);

/* The address is ours.  Called again within 100 ms it does nothing. */
void lan_bound(struct lan *, const struct in6_addr *);
/* It may be another's soon. */
void lan_unbound(struct lan *, const struct in6_addr *);
/* A packet for it reached the device that had it before: announces it, if it is
 * still ours, unless that was less than a second ago. */
void lan_remind(struct agent *, const struct in6_addr *);

#endif /* agentd/lan.h */
