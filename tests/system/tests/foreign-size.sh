#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A18: what is as large as the Ethernet allows goes through a tunnel over it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sites=(--sites=2 --devices=laptop,tv@2)
"$sandbox_program" policy "${sites[@]}" |
    sed 's/^services:/&\n  relay: {devices: ["*"], user: root}/' \
    > "$work/policy.yaml"
sandbox_up --policy="$work/policy.yaml" "${sites[@]}"
make_file bulk 200000000
relay=$BATON_BUILD/tests/system/relay

# too_big: packets that fitted into no tunnel, until now.
too_big() {
    on switch baton-ctl --format=json show | python3 -c '
import json, sys
print(json.load(sys.stdin)["too_big"])'
}

for family in 4 6; do
    far=10.1.0.2
    [ $family = 4 ] || far=fd00:1::2

    say "IPv$family: 200 MB from the device, over Ethernet and then the tunnel"
    before=$(too_big)
    serve_on laptop --family=$family
    download bulk --limit-rate 40M
    wait_for 20 "its beginning" file_has_bytes "$work/got-bulk" 60000000
    move laptop "$session" tv
    wait_exit 60 "$pid" || fail "curl: $(cat "$work/curl-bulk.err.txt")"
    assert_same_bytes "$work/got-bulk" "$sandbox/files/bulk"
    assert_equal "$(too_big)" "$before" "the device's segments that do not fit"
    rm "$work/got-bulk"
    end_application tv baton-serve
    wait_for 10 "the session to end" no_session tv "$session"

    say "IPv$family: 200 MB from the correspondent"
    start_on tv relay-tv "$relay"
    other=$pid
    start_on laptop relay-laptop "$relay" --family=$family 5201 $far 5202
    wait_for 10 "the relay's session" grep -q ^address "$work/relay-laptop.txt"
    read -r _ address _ _ _ session < "$work/relay-laptop.txt"
    start_on correspondent sink socat -u \
        "TCP$family-LISTEN:5202" "OPEN:$work/got-up,creat,trunc"
    sink=$pid
    wait_for 5 "the sink" on correspondent sh -c 'ss -Htln | grep -q :5202'
    start_on correspondent up socat -u \
        "OPEN:$sandbox/files/bulk" "TCP:$(in_url "$address"):5201"
    wait_for 20 "its beginning" file_has_bytes "$work/got-up" 30000000
    move laptop "$session" tv
    wait_exit 60 "$pid" || fail "socat: $(cat "$work/up.err.txt")"
    wait_exit 60 "$sink" || fail "socat: $(cat "$work/sink.err.txt")"
    assert_same_bytes "$work/got-up" "$sandbox/files/bulk"
    [ "$(too_big)" -gt "$before" ] || fail "nothing was too big"
    kill "$other"
    wait_exit 5 "$other" || true
    wait_for 10 "the session to end" no_session tv "$session"
done

# received NAME
received() {
    kill -USR1 "$2"
    sleep 0.2
    sed -n 's/.*"received":\([0-9]*\).*/\1/p' "$work/$1.txt" | tail -n 1
}

has_received() {
    [ "$(received "$1" "$2")" -ge "$3" ]
}

say "datagrams that may be fragmented, and such that may not"
for option in --may-fragment --unconnected; do
    start_on tv stream-tv baton-stream --service=stream --accept
    tv=$pid
    start_on laptop stream-laptop baton-stream --service=stream --accept \
        --open --port=9000
    laptop=$pid
    wait_for 10 "its session" grep -q ^address "$work/stream-laptop.txt"
    read -r _ address _ _ _ session < "$work/stream-laptop.txt"
    move laptop "$session" tv
    start_on correspondent far baton-stream --correspondent --size=1472 \
        --rate=100 --count=200 $option --send="$address:9000"
    far=$pid
    # Of those that may not, the first are refused, by which the sender
    # learns to make smaller ones.
    wait_for 10 "the datagrams" has_received stream-tv "$tv" \
        "$([ $option = --may-fragment ] && echo 200 || echo 150)"
    kill "$tv" "$laptop" "$far"
    for ending in "$tv" "$laptop" "$far"; do
        wait_exit 5 "$ending" || true
    done
done
