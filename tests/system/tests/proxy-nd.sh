#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A15: the same for IPv6: neighbour discovery.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up
make_file file 1000
serve_on laptop --family=6
assert_match "$address" : "an IPv6 session"
download file
wait_exit 10 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"

neighbour() {
    on correspondent ip -6 neigh show "$address" dev eth0 |
        sed -n 's/.*lladdr \([^ ]*\).*/\1/p'
}

assert_equal "$(neighbour)" "$(mac_of laptop)" "before the move"
# Who answers, when the correspondent asks anew at once.  (The request reaches
# tv as well, which may say the same.  laptop, which still waits for what is
# late, has nothing to say.)
declare -A dump
for host in correspondent laptop tv; do
    direction=out
    [ $host != correspondent ] || direction=in
    start_on $host "answers-$host" tcpdump -n -e -l --immediate-mode \
        -i eth0 -Q $direction \
        "icmp6 and ip6[40] == 136 and src host $address"
    dump[$host]=$pid
    wait_for 5 "tcpdump" grep -q listening "$work/answers-$host.err.txt"
done
move laptop "$session" tv
on correspondent ip -6 neigh flush dev eth0
download file
wait_exit 10 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_equal "$(neighbour)" "$(mac_of tv)" "after the move"
wait_for 5 "laptop to let go" no_address laptop "$address"
kill "${dump[@]}"
for host in correspondent laptop tv; do
    wait "${dump[$host]}" || true
done
answers() {
    grep -c " > " "$work/answers-$1.txt" || true
}
[ "$(answers correspondent)" -gt "$(answers tv)" ] ||
    fail "the bridge did not answer"
! grep ' > ' "$work/answers-correspondent.txt" | grep -v "$(mac_of tv) >" ||
    fail "an answer with another address"
assert_equal "$(answers laptop)" 0 "answers of the former owner"

move tv "$session" laptop
on correspondent ip -6 neigh flush dev eth0
download file
wait_exit 10 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_equal "$(neighbour)" "$(mac_of laptop)" "after the move back"
