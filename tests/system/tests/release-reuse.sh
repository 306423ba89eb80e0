#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A17: a session's address goes back when it ends, rests, and is used again.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

# Four addresses, so that they come round.
"$sandbox_program" policy |
    sed 's/block: 28/block: 30/; s/rest: 2/rest: 1/
        s,10.1.0.128/25,10.1.0.128/30,' > "$work/policy.yaml"
expect_log "no block is left"
sandbox_up --policy="$work/policy.yaml"
make_file file 1000

declare -A ended_at=()
used=0 again=0
for n in 1 2 3 4 5 6; do
    serve_on laptop
    now=${EPOCHREALTIME/./}
    used=$((used + 1))
    if [ -n "${ended_at[$address]:-}" ]; then
        again=$((again + 1))
        rested=$((now - ended_at[$address]))
        [ $rested -ge 1000000 ] || fail "$address rested $rested us only"
    fi
    if [ $((n % 2)) = 0 ]; then
        server=$pid
        move laptop "$session" tv
        # The old place's process serves other sessions; here it has none.
        download file
        wait_exit 10 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
        end_application tv baton-serve
        kill "$server" 2>/dev/null || true
    else
        kill "$pid"
    fi
    say "ended on $address"
    ended=${EPOCHREALTIME/./}
    for device in laptop tv; do
        wait_for 10 "the session to end on $device" \
            no_session $device "$session"
        wait_for 5 "$address to leave $device" no_address $device "$address"
    done
    say "gone"
    ended_at[$address]=$ended
done
[ $again -gt 0 ] || fail "no address was used again in $used sessions"

# What moved and ended costs no flow.
wait_for 5 "its flows to go" no_flows_for "$address"
