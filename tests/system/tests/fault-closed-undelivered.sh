#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What an application wrote before it closed arrives, moves or not.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

"$sandbox_program" policy |
    sed 's/^services:/&\n  relay: {devices: ["*"], user: root}/' \
    > "$work/policy.yaml"
sandbox_up --policy="$work/policy.yaml"
# The relay's kernel takes it all at once; the correspondent takes its time.
on laptop sysctl -qw net.ipv4.tcp_wmem="4096 8000000 8000000"
relay=$BATON_BUILD/tests/system/relay
start_on tv relay-tv "$relay"
start_on laptop relay-laptop "$relay" 5201 10.1.0.2 5202
wait_for 10 "the relay's session" grep -q ^address "$work/relay-laptop.txt"
read -r _ address _ _ _ session < "$work/relay-laptop.txt"

head -c 6000000 /dev/urandom > "$work/down"
# stream NAME RATE: from a server that closes at once, at RATE bytes a second.
stream() {
    start_on correspondent "server-$1" socat -u \
        "FILE:$work/down" TCP-LISTEN:5202,bind=10.1.0.2,reuseaddr
    server=$pid
    wait_for 5 "the server" on correspondent sh -c 'ss -Htln | grep -q :5202'
    start_on correspondent "$1" bash -c "set -o pipefail
        nc -N $address 5201 < /dev/null |
        python3 $test_dir/throttle.py $2 > $work/got-$1"
}
undelivered() {
    on laptop ss -Htn state last-ack src "$address" | grep .
}

stream slow 1500000
wait_for 10 "the relay to close" undelivered
! try_move laptop "$session" tv || fail "it moved, and left data behind"
say "$(cat "$work/move.txt")"
assert_match "$(cat "$work/move.txt")" 'closed are not delivered yet' "why not"
wait_exit 20 "$pid" || fail "nc: $(cat "$work/slow.err.txt")"
assert_same_bytes "$work/got-slow" "$work/down"
wait_exit 5 "$server" || fail "nc: $(cat "$work/server-slow.err.txt")"

# Nothing is owed any more.
move laptop "$session" tv
stream fast 100000000
wait_exit 10 "$pid" || fail "nc: $(cat "$work/fast.err.txt")"
assert_same_bytes "$work/got-fast" "$work/down"
