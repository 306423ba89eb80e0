#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A18: datagrams stay whole: each once, both ways, IPv4 and IPv6.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up
seconds=6
rate=5000
total=$((seconds * rate))

# Packets that found the buffer of a bridge's port full, when the switch had no
# turn on the CPU: the bridge never took them, and owes nobody anything.
switch_dropped() {
    on switch ss -0nmO |
        sed -n 's/.*:p-.*,d\([0-9]*\)).*/\1/p' | awk '{ n += $1 } END { print n + 0 }'
}

all_received() {
    local received
    received=$(count "$(summary "$1" "$2")" received)
    [ $((received + $(switch_dropped) - dropped)) -ge "$3" ]
}

for family in 4 6; do
    dropped=$(switch_dropped)
    far_address=10.1.0.2
    [ $family = 4 ] || far_address=fd00:1::2
    say "IPv$family"
    start_on correspondent "far$family" baton-stream --correspondent \
        --family=$family --port=9000 --rate=$rate --count=$total
    far=$pid
    wait_for 5 "its start" grep -q ^address "$work/far$family.txt"
    start_on tv "tv$family" baton-stream --service=stream --accept
    tv=$pid
    start_on laptop "laptop$family" baton-stream --service=stream --accept \
        --open --family=$family --port=9000 --rate=$rate --count=$total \
        --send="$(in_url $far_address):9000"
    laptop=$pid
    wait_for 10 "its session" grep -q ^address "$work/laptop$family.txt"
    session=$(awk '{ print $NF; exit }' "$work/laptop$family.txt")

    end=$((SECONDS + seconds - 1)) moves=0
    while [ $SECONDS -lt $end ]; do
        move laptop "$session" tv
        move tv "$session" laptop
        moves=$((moves + 2))
    done
    say "$moves moves"
    wait_for 10 "all datagrams at the correspondent" \
        all_received "$far" "far$family" $total
    wait_for 10 "all datagrams at the device" \
        all_received "$laptop" "laptop$family" $total
    dropped=$(($(switch_dropped) - dropped))
    [ $dropped = 0 ] || say "$dropped packets dropped at the switch's ports"
    for name in far laptop; do
        line=$(summary "${!name}" $name$family)
        missing=$((total - $(count "$line" received)))
        [ $missing -le $dropped ] ||
            fail "$name: $missing missing, $dropped dropped at the ports"
        for key in duplicated stale wrong; do
            assert_equal "$(count "$line" $key)" 0 "$name: $key"
        done
    done
    kill "$far" "$tv" "$laptop"
    for ending in "$far" "$tv" "$laptop"; do
        wait_exit 5 "$ending" || true
    done
done
