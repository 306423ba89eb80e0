#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A10: datagrams to the permanent address, whose session moves: none lost.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

# shellcheck source=tests/system/echo.sh
. "$(dirname "$0")/../echo.sh"

movable_up
for family in 4 6; do
    echo_up $family
    talk "$(own_of $family)"
    check_moves
    echo_down
    wait_for 10 "the session to go" no_mapped_flows "$address"
done
