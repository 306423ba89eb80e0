#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The sandbox itself: side by side, and nothing of it stays.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

host_state() {
    ip -o link | sed 's/ qlen.*//'
    ip -o address | grep -v valid_lft
    ip route show table all
    ip rule
    ls /run/openvswitch 2>/dev/null || true
}

before=$(host_state)
sandbox_up --network-only
"$sandbox_program" up --network-only --devices=laptop "$work/b" ||
    fail "a second sandbox does not come up beside the first"

# They are two networks: one address in both, and each has its own.
on switch ovs-ofctl -O OpenFlow15 add-flow br-home \
    priority=0,actions=NORMAL
start_on laptop server socat -u TCP-LISTEN:9000,reuseaddr STDOUT
wait_for 5 "the server" on laptop \
    sh -c 'ss -tln | grep -q :9000'
echo hello | on correspondent socat -u STDIN TCP:10.1.0.11:9000
wait_exit 5 "$pid"
assert_equal "$(cat "$work/server.txt")" hello "through the bridge"

"$sandbox_program" exec "$work/b" laptop sleep 1000 &
other=$!
"$sandbox_program" down "$work/b"
wait_for 5 "what ran in the second sandbox to end" process_ended $other
"$sandbox_program" down "$work/b" || fail "down is not repeatable"

# Interrupted while it comes up: nothing stays.
"$sandbox_program" up --network-only "$work/c" &
pid=$!
wait_for 5 "a namespace" grep -q id= "$work/c/sandbox.conf"
id=$(sed -n 's/^id=//p' "$work/c/sandbox.conf")
kill -INT $pid || true
kill -TERM $pid || true
wait $pid || true
"$sandbox_program" down "$work/c"

id2=$(sed -n 's/^id=//p' "$sandbox/sandbox.conf")
check_logs
"$sandbox_program" down "$sandbox"
for name in "$id" "$id2"; do
    assert_no_match "$(ip netns list)" "baton-$name-" "namespaces"
done
assert_equal "$(host_state)" "$before" "the host's own network"
