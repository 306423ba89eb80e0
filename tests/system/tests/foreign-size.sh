#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A18: what is as large as the Ethernet allows goes through a tunnel over it.
# shellcheck source=tests/system/away.sh
. "$(dirname "$0")/../away.sh"

sites=(--sites=2 "--devices=laptop,tv@2,phone@0" "--underlay=$underlay")
"$sandbox_program" policy "${sites[@]}" |
    sed 's/^services:/&\n  relay: {devices: ["*"], user: root}/' \
    > "$work/policy.yaml"
sandbox_up --policy="$work/policy.yaml" "${sites[@]}"
make_file bulk "${bulk_size:-200000000}"
make_file less 60000000
relay=$BATON_BUILD/tests/system/relay
payload=1450                    # Of 1,500 bytes, in VXLAN.
[ "$underlay" = ipv4 ] || payload=1430

# too_big: packets that fitted into no tunnel, until now.
too_big() {
    on switch ovs-appctl -t "$sandbox/controller/baton-controller.ctl" \
        baton/show | sed 's/.*"too_big":\([0-9]*\).*/\1/'
}

all_received() {
    [ "$(count "$(summary "$1" "$2")" received)" -ge "$3" ]
}

# datagrams NAME FAMILY N [OPTION]: of 200 of full size N get through.
datagrams() {
    local name=$1 family=$2 expected=$3
    shift 3
    say "datagrams: $name"
    start_on $target "$target-$name" baton-stream --service=stream --accept
    taker=$pid
    start_on laptop "laptop-$name" baton-stream --service=stream --accept \
        --open --port=9000 --family="$family"
    laptop=$pid
    wait_for 10 "its session" grep -q ^address "$work/laptop-$name.txt"
    session=$(awk '{ print $NF; exit }' "$work/laptop-$name.txt")
    address=$(awk '{ print $2; exit }' "$work/laptop-$name.txt")
    move laptop "$session" $target
    start_on correspondent "far-$name" baton-stream --correspondent \
        --family="$family" --size=$((family == 4 ? 1472 : 1452)) --rate=100 \
        --count=200 "$@" --send="$(in_url "$address"):9000"
    far=$pid
    wait_for 10 "the datagrams" all_received "$taker" "$target-$name" "$expected"
    kill "$taker" "$laptop" "$far"
    for ending in "$taker" "$laptop" "$far"; do
        wait_exit 5 "$ending" || true
    done
}

# The other site, and a device behind no bridge.
wait_for 15 "the phone to be reachable" phone_is_ready
for target in tv phone; do
    file=bulk
    [ $target = tv ] || file=less
    for family in 4 6; do
        say "IPv$family: $file from the device, over Ethernet and then the tunnel"
        before=$(too_big)
        serve_on laptop --family=$family
        download $file --limit-rate 40M
        wait_for 20 "its beginning" file_has_bytes "$work/got-$file" 20000000
        move laptop "$session" $target
        wait_exit 60 "$pid" || fail "curl: $(cat "$work/curl-$file.err.txt")"
        assert_same_bytes "$work/got-$file" "$sandbox/files/$file"
        assert_equal "$(too_big)" "$before" "the device's segments that do not fit"
        assert_match "$(on $target ip -$family route show table all)" \
            "mtu $payload" "what fits into the tunnel, as the device knows it"
        rm "$work/got-$file"
        end_application $target baton-serve
        wait_for 10 "the session to end" no_session $target "$session"

        [ $family = 4 ] || continue
        say "$file from the correspondent"
        # It may remember what fits, if the address was another session's.
        on correspondent ip route flush cache
        start_on $target relay-$target "$relay"
        other=$pid
        start_on laptop relay-laptop "$relay" 5201 10.1.0.2 5202
        wait_for 10 "the relay's session" grep -q ^address "$work/relay-laptop.txt"
        read -r _ address _ _ _ session < "$work/relay-laptop.txt"
        start_on correspondent sink socat -u \
            TCP4-LISTEN:5202 "OPEN:$work/got-up,creat,trunc"
        sink=$pid
        wait_for 5 "the sink" on correspondent sh -c 'ss -Htln | grep -q :5202'
        start_on correspondent up socat -u \
            "OPEN:$sandbox/files/$file" "TCP:$address:5201"
        wait_for 20 "its beginning" file_has_bytes "$work/got-up" 10000000
        move laptop "$session" $target
        wait_exit 60 "$pid" || fail "socat: $(cat "$work/up.err.txt")"
        wait_exit 60 "$sink" || fail "socat: $(cat "$work/sink.err.txt")"
        assert_same_bytes "$work/got-up" "$sandbox/files/$file"
        [ "$(too_big)" -gt "$before" ] || fail "nothing was too big"
        kill "$other"
        wait_exit 5 "$other" || true
        wait_for 10 "the session to end" no_session $target "$session"
    done

    # Of those that may not be fragmented, the first is refused, by which the
    # sender learns to make smaller ones.
    datagrams fragmented 4 200 --may-fragment
    datagrams refused 4 190
    datagrams refused6 6 190
done
