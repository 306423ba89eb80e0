/* SPDX-License-Identifier: Apache-2.0 */

/* Cases: loss on the way, silence, thaw, discard, refusals. */

#include "move-test.h"

const struct move_case move_fault_cases[] = {
    { NULL, NULL },
};
