/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_HOST_SETTINGS_H
#define BATON_HOST_SETTINGS_H 1

/* The few IPv4 settings of the kernel that session addresses depend on, for
 * the interfaces on which they arrive.  What is changed is remembered, and
 * put back at the end; each change is logged.
 *
 * - arp_ignore: with 0, the kernel answers ARP on any interface for an
 *   address that waits on "lo".  It becomes 3 (no answer for addresses of
 *   host scope); 1, 2, 3 and 8 are left.
 *
 * - rp_filter: while the output of an address is closed, the routing rule
 *   that closes it answers the reverse path lookup of what comes *in* too, so
 *   with 1 or 2 the kernel would drop the datagrams that have to be caught.
 *   It becomes 0 for the interface.  Since the setting of "all" is a lower
 *   bound for every interface, it is lowered also, after the other interfaces
 *   and "default" have been given it as their own: nothing changes for them.
 *
 * IPv6 needs nothing of this.  An agent that is killed leaves the settings;
 * the next one finds them good and keeps them. */

/* Idempotent. */
int host_settings_use_interface(const char *ifname, char **errorp);
void host_settings_restore(void);

#endif /* agentd/host-settings.h */
