#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A11: a datagram service's address is told by name; its session moves, none lost.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"
# shellcheck source=tests/system/echo.sh
. "$(dirname "$0")/../echo.sh"

movable_up --in-band
for family in 4 6; do
    type=A
    [ $family = 4 ] || type=AAAA
    echo_up $family
    told=$(on correspondent dig @10.1.0.4 +tries=3 +time=2 +short \
        echo.move.example $type)
    [ "$told" != "$(own_of $family)" ] || fail "told the permanent address"
    # It begins with a datagram to that address, and nothing is translated.
    talk "$told"
    check_moves
    assert_equal "$address" "$told" "its address"
    assert_equal "$(mapped_flows "$told")" 0 "flows that translate"
    echo_down
    wait_for 10 "the session to go" no_session laptop " $told "
    wait_for 10 "its address to go" no_address laptop "$told"
done
