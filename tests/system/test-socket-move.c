/* SPDX-License-Identifier: Apache-2.0 */

/* Moves sockets of every kind between two hosts, with real packets, and looks
 * whether the peer could have noticed.
 *
 *     test-socket-move [CASE]...      as root; without, exits with status 77
 *
 * "--list" lists the cases. */

#include "move-test.h"

#include <stdio.h>
#include <string.h>

static const struct move_case *tables[] = {
    move_data_cases,  move_state_cases, move_option_cases,
    move_fault_cases, move_udp_cases,
};

static bool
is_wanted(const char *name, int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(name, argv[i])) {
            return true;
        }
    }
    return argc == 1;
}

int
main(int argc, char *argv[])
{
    bool list = argc == 2 && !strcmp(argv[1], "--list");
    unsigned int n = 0, failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!list) {
        net_init();
    }
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (const struct move_case *c = tables[i]; c->name; c++) {
            if (list) {
                puts(c->name);
            } else if (is_wanted(c->name, argc, argv)) {
                unsigned int before = check_failures();
                check_begin(c->name);
                c->run();
                n++;
                failed += check_failures() != before;
            }
        }
    }
    if (!list) {
        printf("socket-move: %u cases, %u failed, %u checks\n", n, failed,
               check_count());
    }
    return failed ? 1 : 0;
}
