/* SPDX-License-Identifier: Apache-2.0 */

/* Cases: options, buffer sizes, MSS, listeners. */

#include "move-test.h"

const struct move_case move_option_cases[] = {
    { NULL, NULL },
};
