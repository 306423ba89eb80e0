#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A7: the way between two sites is cut, and the other site's bridge restarts.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up --sites=2 --devices=laptop,tv@2
expect_disconnects
expect_log 'nothing comes through the tunnel'
expect_log 'ovs-vswitchd.log:'
expect_log '(vconn|openflow_link|stream_vconn|bridge)[^|]*\|WARN\|'
make_file file 160000000

cut() {
    on router ip link set site2 down
}

mend() {
    on router ip link set site2 up
    on router ip -6 addr replace fd00:2::1/64 dev site2 nodad
}

# Sets 'at'.
has_owner() {
    local device
    for device in laptop tv; do
        if [ "$(connections $device "$address")" = 1 ] &&
            has_session $device "$session"; then
            at=$device
            return 0
        fi
    done
    return 1
}

more_bytes() {
    local before
    before=$(stat -c %s "$work/got-file")
    wait_for "${1:-20}" "more bytes" file_has_bytes "$work/got-file" \
        $((before + 300000))
}

serve_on laptop
download file --limit-rate 2M
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000

say "a cut way: the move is refused, and nothing has changed"
cut
! try_move laptop "$session" tv || fail "it moved into a tunnel that is cut"
grep -q "nothing comes through the tunnel" "$work/move.txt" ||
    fail "the reason: $(cat "$work/move.txt")"
more_bytes
no_flows_for "$address" switch2 || fail "br-site2 still has its flows"
mend

say "cut in the middle of a move: it ends, and the stream goes on"
at=laptop
for round in 1 2 3 4; do
    other=$([ $at = laptop ] && echo tv || echo laptop)
    (sleep 0.0$((round * 7)) && cut) &
    cutting=$!
    on $at baton --no-headings --format=csv move "$session" "$other" \
        > "$work/move.txt" 2>&1 || true
    wait $cutting
    say "round $round: $(cat "$work/move.txt")"
    sleep 0.2
    mend
    wait_for 20 "an owner" has_owner
    more_bytes 30
done

say "its bridge restarts while the session is there"
[ $at = tv ] || wait_for 15 "the way to be back" try_move laptop "$session" tv
at=tv
more_bytes
for signal in TERM KILL; do
    vswitchd=$(cat "$sandbox/ovs2/ovs-vswitchd.pid")
    kill -$signal "$vswitchd"
    wait_for 10 "ovs-vswitchd to end" process_ended "$vswitchd"
    "$sandbox_program" start "$sandbox" switch2
    more_bytes 60
done

say "and it comes home, whole"
move tv "$session" laptop
wait_exit 100 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
