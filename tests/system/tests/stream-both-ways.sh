#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A18: streams from the correspondent and both ways at once: iperf3, nc.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

"$sandbox_program" policy |
    sed 's/^services:/&\n  relay: {devices: ["*"], user: root}/' \
    > "$work/policy.yaml"
sandbox_up --policy="$work/policy.yaml"
relay=$BATON_BUILD/tests/system/relay
start_on tv relay-tv "$relay"
start_on laptop relay-laptop "$relay" 5201 10.1.0.2 5202
wait_for 10 "the relay's session" grep -q ^address "$work/relay-laptop.txt"
read -r _ address _ _ _ session < "$work/relay-laptop.txt"
at=laptop
elsewhere=tv

# move_while PID MOVES: one after the other.
move_while() {
    local n=0 was
    until process_ended "$1"; do
        was=$at
        if ! try_move $at "$session" $elsewhere; then
            # At the very end: closed, and the relay has not seen it.
            grep -Eq "TCP state is CLOSED|is not connected|just been closed" \
                "$work/move.txt" ||
                fail "no move: $(cat "$work/move.txt")"
            continue
        fi
        at=$elsewhere elsewhere=$was
        n=$((n + 1))
    done
    [ $n -ge "$2" ] || fail "only $n moves during the stream"
    wait_exit 1 "$1" ||
        fail "it ended badly: $(cat "$work/stream.txt" "$work/stream.err.txt")"
}

for options in "" "--reverse" "--bidir --parallel 3"; do
    say "iperf3 $options"
    start_on correspondent server iperf3 --server --one-off --port 5202
    server=$pid
    wait_for 5 "the server" on correspondent \
        sh -c 'ss -Htln | grep -q :5202'
    # shellcheck disable=SC2086
    start_on correspondent stream iperf3 --client "$address" --port 5201 \
        --time 4 $options
    move_while "$pid" 5
    wait_exit 10 "$server" || fail "server: $(cat "$work/server.txt")"
done

say "nc, up and down"
head -c 30000000 /dev/urandom > "$work/up"
head -c 30000000 /dev/urandom > "$work/down"
start_on correspondent sink bash -c \
    "python3 $test_dir/throttle.py 8000000 < $work/down |
     nc -N -l 10.1.0.2 5202 > $work/got-up"
sink=$pid
wait_for 5 "the server" on correspondent sh -c 'ss -Htln | grep -q :5202'
start_on correspondent stream bash -c \
    "python3 $test_dir/throttle.py 8000000 < $work/up |
     nc -N $address 5201 > $work/got-down"
move_while "$pid" 5
wait_exit 10 "$sink" || fail "the sink: $(cat "$work/sink.err.txt")"
assert_same_bytes "$work/got-up" "$work/up"
assert_same_bytes "$work/got-down" "$work/down"
