/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bridge-ports.h"

#include <string.h>

#include "flow.h"
#include "util.h"

void
bridge_ports_init(struct bridge_ports *ports)
{
    hmap_init(&ports->by_number);
    shash_init(&ports->by_name);
    ports->seqno = 0;
}

void
bridge_ports_destroy(struct bridge_ports *ports)
{
    bridge_ports_clear(ports);
    hmap_destroy(&ports->by_number);
    shash_destroy(&ports->by_name);
}

void
bridge_ports_clear(struct bridge_ports *ports)
{
    struct bridge_port *port;

    shash_clear(&ports->by_name);
    HMAP_FOR_EACH_POP(port, node, &ports->by_number) {
        free(port->name);
        free(port);
    }
    ports->seqno++;
}

static void
remove_port(struct bridge_ports *ports, struct bridge_port *port)
{
    if (shash_find_data(&ports->by_name, port->name) == port) {
        shash_find_and_delete(&ports->by_name, port->name);
    }
    hmap_remove(&ports->by_number, &port->node);
    free(port->name);
    free(port);
}

void
bridge_ports_update(struct bridge_ports *ports,
                    const struct ofputil_phy_port *desc, bool deleted)
{
    struct bridge_port *port = CONST_CAST(
        struct bridge_port *, bridge_ports_find(ports, desc->port_no));
    bool is_up = !(desc->config & OFPUTIL_PC_PORT_DOWN)
                 && !(desc->state & OFPUTIL_PS_LINK_DOWN);

    if (port && !deleted && port->is_up == is_up
        && !strcmp(port->name, desc->name)) {
        return;
    }
    if (port) {
        remove_port(ports, port);
    }
    if (!deleted) {
        port = xzalloc(sizeof *port);
        port->number = desc->port_no;
        port->name = xstrdup(desc->name);
        port->is_up = is_up;
        hmap_insert(&ports->by_number, &port->node,
                    hash_ofp_port(port->number));
        shash_replace(&ports->by_name, port->name, port);
    }
    ports->seqno++;
}

const struct bridge_port *
bridge_ports_find(const struct bridge_ports *ports, ofp_port_t number)
{
    const struct bridge_port *port;

    HMAP_FOR_EACH_WITH_HASH(port, node, hash_ofp_port(number),
                            &ports->by_number) {
        if (port->number == number) {
            return port;
        }
    }
    return NULL;
}

const struct bridge_port *
bridge_ports_find_by_name(const struct bridge_ports *ports, const char *name)
{
    return shash_find_data(&ports->by_name, name);
}
