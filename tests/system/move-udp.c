/* SPDX-License-Identifier: Apache-2.0 */

/* Cases: UDP. */

#include "move-test.h"

const struct move_case move_udp_cases[] = {
    { NULL, NULL },
};
