#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A session that moves on as soon as it came, in vain, settles where it is.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

# has_happened DAEMON POINT
has_happened() {
    appctl "$1" fault/list | grep "^$2 [1-9][0-9]* -"
}

faults_up
stream_up 50 100000
for point in send/offer send/prepare; do
    say "its next move ends at $point"
    set_fault tv $point drop
    move laptop "$session" tv
    begin_move tv "$session" laptop
    wait_for 5 "the drop" has_happened tv $point
    # The end of the move by which it came passes, and then the other's.
    warp tv 2000
    can_list tv > "$work/devices.txt"
    warp tv 31000
    ! end_move 10 || fail "it moved"
    rest
    assert_equal "$owner" tv "who has it"
    stream_counts
    wait_for 10 "datagrams both ways" both_go_on
    move tv "$session" laptop
    rest
done
