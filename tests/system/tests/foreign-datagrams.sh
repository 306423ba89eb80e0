#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A18: datagrams stay whole through tunnels: each once, both ways.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up --sites=3 --devices=laptop,tv@2,car@3
seconds=8
rate=1000
total=$((seconds * rate))

# Packets that found the buffer of some bridge's port full.
switches_dropped() {
    local switch
    for switch in switch switch2 switch3; do
        on $switch ss -0nmO
    done | sed -n 's/.*:\(p-[a-z]*\|uplink\|br-[a-z0-9]*\).*,d\([0-9]*\)).*/\2/p' |
        awk '{ n += $1 } END { print n + 0 }'
}

all_received() {
    local received
    received=$(count "$(summary "$1" "$2")" received)
    [ $((received + $(switches_dropped) - dropped)) -ge "$3" ]
}

# The way to the correspondent is known; until then a kernel keeps few packets.
knows_router() {
    on laptop bash -c "echo > /dev/udp/$far_address/9" || true
    on outside bash -c "echo > /dev/udp/$near_address/9" || true
    on laptop ip neigh get "$router" dev eth0 | grep -q lladdr
}

for family in 4 6; do
    say "IPv$family"
    dropped=$(switches_dropped)
    far_address=10.9.0.2 near_address=10.1.0.11 router=10.1.0.1
    if [ $family = 6 ]; then
        far_address=fd00:9::2 near_address=fd00:1::11 router=fd00:1::1
    fi
    wait_for 5 "the router" knows_router
    start_on outside "far$family" baton-stream --correspondent \
        --family=$family --port=9000 --rate=$rate --count=$total
    far=$pid
    wait_for 5 "its start" grep -q ^address "$work/far$family.txt"
    waiting=()
    for device in tv car; do
        start_on $device "$device$family" baton-stream --service=stream \
            --accept
        waiting+=("$pid")
    done
    start_on laptop "laptop$family" baton-stream --service=stream --accept \
        --open --family=$family --port=9000 --rate=$rate --count=$total \
        --send="$(in_url $far_address):9000"
    laptop=$pid
    wait_for 10 "its session" grep -q ^address "$work/laptop$family.txt"
    session=$(awk '{ print $NF; exit }' "$work/laptop$family.txt")

    end=$((SECONDS + seconds - 1)) moves=0
    while [ $SECONDS -lt $end ]; do
        move laptop "$session" tv
        move tv "$session" car
        move car "$session" laptop
        moves=$((moves + 3))
    done
    [ $moves -ge 6 ] || fail "only $moves moves"
    say "$moves moves"
    wait_for 10 "all datagrams at the correspondent" \
        all_received "$far" "far$family" $total
    wait_for 10 "all datagrams at the device" \
        all_received "$laptop" "laptop$family" $total
    dropped=$(($(switches_dropped) - dropped))
    [ $dropped = 0 ] || say "$dropped packets dropped at the switches' ports"
    for name in far laptop; do
        line=$(summary "${!name}" $name$family)
        missing=$((total - $(count "$line" received)))
        [ $missing -le $dropped ] ||
            fail "$name: $missing missing, $dropped dropped at the ports"
        for key in duplicated stale wrong; do
            assert_equal "$(count "$line" $key)" 0 "$name: $key"
        done
    done
    for ending in "$far" "$laptop" "${waiting[@]}"; do
        kill "$ending"
        wait_exit 5 "$ending" || true
    done
done
assert_equal "$(filtered)" 0 "packets that the router's filters dropped"
