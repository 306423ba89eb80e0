#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The link with the controller lost at each step of a transfer, on either side.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
expect_log 'unexpected decision'
make_file file 6000000
serve_on laptop
move laptop "$session" tv
rest
move tv "$session" laptop
rest
on laptop ss -K -tn dst 10.255.0.99 > /dev/null 2>&1 ||
    skip "the kernel closes no connections for ss -K"

# lose_at VICTIM POINT: the agent of VICTIM stands still there, in the middle
# of a download, while its connection breaks.
lose_at() {
    local victim=$1 point=$2
    rm -f "$work/got-file"
    mark_logs
    download file --limit-rate 5M
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
    # It was connected long enough to try again at once.
    warp "$victim" 10000
    set_fault "$victim" "$point" stop
    begin_move "$owner" "$session" "$other"
    wait_stopped "$victim"
    cut_link "$victim"
    go_on "$victim"
    end_move 30 || true
    rest
    wait_registered
    wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    say "$victim lost the controller at $point: $owner has it;" \
        "the asker: ${move_said:-(moved)}"
}

mark_fds
for point in move introduced connected offered accepted paused prepare go \
    captured state-sent released drained; do
    lose_at "$owner" "give/$point"
done
for point in offer accepted state restored ready claim owned unmuted \
    delivered; do
    lose_at "$other" "take/$point"
done
[ "$owner" = laptop ] || move "$owner" "$session" laptop
rest
assert_no_more_fds
end_session
