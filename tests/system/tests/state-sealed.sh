#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A4: what moves is sealed: a listener, and a relay in between, learn nothing.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up
# What is secret: where in which file the download is.
secret="plan-$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')"
make_file "$secret" 30000000
serve_on laptop
start_on switch listen tcpdump -n -U -i mgmt -w "$work/management.pcap"
dump=$pid
wait_for 5 "tcpdump" grep -q listening "$work/listen.err.txt"
download "$secret" --limit-rate 4M
wait_for 10 "the first bytes" file_has_bytes "$work/got-$secret" 500000

in_memory() {
    python3 "$test_dir/memory.py" "$1" "$secret"
}

controller=$(cat "$sandbox/controller/baton-controller.pid")

say "no direct way between the devices: the controller relays"
on laptop ip route add blackhole 10.255.0.12/32
on tv ip route add blackhole 10.255.0.11/32
expect_disconnects
move laptop "$session" tv
assert_match "$(cat "$sandbox/hosts/laptop/baton-agentd.log")" \
    'go by way of the controller' "the log"
# That looking at memory finds it where it must be:
assert_equal "$(in_memory "$(pids_of tv baton-serve)")" "$secret" "on tv"
assert_equal "$(in_memory "$controller")" "" "in the controller's memory"

say "direct"
on laptop ip route del blackhole 10.255.0.12/32
on tv ip route del blackhole 10.255.0.11/32
move tv "$session" laptop
move laptop "$session" tv
assert_equal "$(in_memory "$(pids_of tv baton-serve)")" "$secret" "on tv"
assert_equal "$(in_memory "$controller")" "" "in the controller's memory"

kill -INT "$dump"
wait "$dump" || true
[ "$(stat -c %s "$work/management.pcap")" -gt 2000 ] ||
    fail "nothing was captured"
! grep -qa "$secret" "$work/management.pcap" || fail "captured in the clear"
find "$sandbox" -name '*.log' -exec grep -l "$secret" {} + &&
    fail "it is in a log"
wait_exit 20 "$pid" || true
