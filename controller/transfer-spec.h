/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_TRANSFER_SPEC_H
#define BATON_TRANSFER_SPEC_H 1

/* What a transfer that is about to begin is about: what the devices did not
 * say of it, from records, pools and places. */

struct controller;
struct transfer_spec;

/* Fills in the home device and the home bridge of spec->session, as far as
 * records and pools know them; and its name and service, if they are NULL, as
 * its owner announced them. */
void transfer_spec_fill(const struct controller *, struct transfer_spec *);
/* The bridge to which sessions of bridge 'home' go that are at device 'name';
 * NULL if it is not known. */
const char *transfer_spec_bridge(const struct controller *, const char *name,
                                 const char *home);

#endif /* controller/transfer-spec.h */
