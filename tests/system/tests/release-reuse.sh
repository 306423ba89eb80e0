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

# When addresses come and go, by the kernel's word.
for device in laptop tv; do
    start_on $device "addresses-$device" ip -ts -o monitor address
    monitors+=("$pid")
done

# left_at ADDRESS: microseconds since 1970 at which the last host let go of it;
# empty if none had it.
left_at() {
    cat "$work"/addresses-*.txt | python3 -c '
import datetime, re, sys
last = None
for line in sys.stdin:
    m = re.match(r"\[(\S+)\] Deleted .* inet " + re.escape(sys.argv[1]) + "/",
                 line)
    if m:
        at = datetime.datetime.fromisoformat(m[1]).timestamp()
        last = max(last or 0, at)
print(int(last * 1e6) if last else "")' "$1"
}

used=0 again=0
for n in 1 2 3 4 5 6; do
    serve_on laptop
    now=${EPOCHREALTIME/./}
    used=$((used + 1))
    left=$(left_at "$address")
    if [ -n "$left" ]; then
        again=$((again + 1))
        rested=$((now - left))
        say "$address rested $rested us"
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
    for device in laptop tv; do
        wait_for 10 "the session to end on $device" \
            no_session $device "$session"
        wait_for 5 "$address to leave $device" no_address $device "$address"
    done
    say "gone"
done
[ $again -gt 0 ] || fail "no address was used again in $used sessions"
wait_for 5 "its flows to go" no_flows_for "$address"

# The device that gave it away still has the address while its agent is
# stopped: nobody else gets it, however long ago the session ended.
serve_on laptop
server=$pid
agent=$(pids_of laptop baton-agentd)
move laptop "$session" tv
kill -STOP "$agent"
wait_for 5 "the address at both" has_address laptop "$address"
end_application tv baton-serve
wait_for 10 "the session to end on tv" no_session tv "$session"
wait_for 5 "$address to leave tv" no_address tv "$address"
# Its rest would be over.
sleep 1.5
kill -CONT "$agent"
kill "$server" 2>/dev/null || true
wait_for 5 "$address to leave laptop" no_address laptop "$address"
first=$address
for n in 1 2 3 4 5 6; do
    serve_on laptop
    left=$(left_at "$address")
    rested=$((${EPOCHREALTIME/./} - left))
    say "$address rested $rested us"
    [ $rested -ge 1000000 ] || fail "$address rested $rested us only"
    kill "$pid"
    [ "$address" != "$first" ] || break
    wait_for 10 "the session to end" no_session laptop "$session"
done
assert_equal "$address" "$first" "the address comes round"
kill "${monitors[@]}"

# What moved and ended costs no flow.
wait_for 5 "its flows to go" no_flows_for "$first"
