#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A7: a session moves to a device behind no bridge, by a tunnel of its own.
# shellcheck source=tests/system/away.sh
. "$(dirname "$0")/../away.sh"

away_up
make_file file 60000000
rate=500 seconds=8
total=$((rate * seconds))

# What reaches the correspondent now comes from HOST.
receives_from() {
    local before
    wait_for 5 "the connection on $1" has_connections "$1" "$address" 1
    before=$(stat -c %s "$work/got-file")
    wait_for 10 "bytes from $1" file_has_bytes "$work/got-file" \
        $((before + 500000))
}

for family in 4 6; do
    say "IPv$family: a stream to the phone, over the other site, and home"
    serve_on laptop --family=$family
    download file --limit-rate 5M
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 1000000
    from=laptop
    for to in phone laptop tv phone tv phone laptop; do
        move $from "$session" $to
        receives_from $to
        from=$to
        [ $to != phone ] || assert_match "$(path_of "$session")" \
            "tunnel to the device at $phone_address" "its path"
    done
    assert_match "$(on laptop baton --no-headings --format=csv devices |
        grep ^phone)" "br-home at $phone_address" "what people see"
    wait_exit 40 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    rm "$work/got-file"
    end_application laptop baton-serve
    wait_for 10 "the session to end" no_session laptop "$session"
    wait_for 10 "the phone's tunnel to go" nothing_left phone
done

# The way to the correspondent is known; until then a kernel keeps few packets.
knows_router() {
    on laptop bash -c "echo > /dev/udp/$far_address/9" || true
    on outside bash -c "echo > /dev/udp/$near_address/9" || true
    on laptop ip neigh get "$router" dev eth0 | grep -q lladdr
}

all_received() {
    local received
    received=$(count "$(summary "$1" "$2")" received)
    echo "$received of $total"
    [ $((received + $(ports_dropped) - dropped)) -ge $total ]
}

# go_on PID NAME: that baton-stream gets what is sent now.
go_on() {
    local before
    before=$(count "$(summary "$1" "$2")" received)
    wait_for 5 "datagrams" received_more "$1" "$2" $((before + rate / 10))
}

received_more() {
    [ "$(count "$(summary "$1" "$2")" received)" -ge "$3" ]
}

for family in 4 6; do
    say "IPv$family: datagrams both ways"
    dropped=$(ports_dropped)
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
    for device in tv phone; do
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
    from=laptop
    while [ $SECONDS -lt $end ]; do
        for to in phone tv phone laptop; do
            move $from "$session" $to
            from=$to
            go_on "$far" "far$family"
            moves=$((moves + 1))
        done
    done
    say "$moves moves"
    wait_for 10 "all datagrams at the correspondent" \
        all_received "$far" "far$family"
    wait_for 10 "all datagrams at the device" \
        all_received "$laptop" "laptop$family"
    dropped=$(($(ports_dropped) - dropped))
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
wait_for 10 "the phone's tunnel to go" nothing_left phone
assert_equal "$(filtered)" 0 "packets that the router's filters dropped"
