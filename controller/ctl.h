/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_CTL_H
#define BATON_CTL_H 1

/* Runtime commands of baton-controller, for baton-ctl and ovs-appctl.  Each
 * answers with one JSON text:
 *
 *     baton/show                 object: what the controller is and does
 *     baton/devices              {"devices": [OBJECT...]}
 *     baton/sessions             {"sessions": [OBJECT...]}
 *     baton/mappings             {"mappings": [...], "services": [...]}
 *     baton/transfers [N]        {"transfers": [OBJECT...]}, newest first
 *     baton/timeline TRANSFER    object: steps of one transfer, of all sides
 *     baton/trace ADDRESS        object: which flows packets meet
 *     baton/detach [--force] BRIDGE, baton/attach BRIDGE: see ctl-detach.h
 *     baton/policy-reload        {}, or an error
 *
 * and `exit [--detach]`, which ends the daemon. */

#include <stdbool.h>

struct controller;

struct ctl_exit {
    bool exiting;
    bool detach; /* Delete Baton's flows first. */
};

void ctl_register(struct controller *, struct ctl_exit *);

#endif /* controller/ctl.h */
