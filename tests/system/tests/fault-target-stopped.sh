#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A target stopped until long after the abort gives back what it has caught.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
rate=200

received_all() {
    local sent received
    sent=$(count "$(summary "$far" far)" sent)
    received=$(count "$(summary "$near" near)" received)
    [ "$received" -ge "$sent" ]
}

start_on correspondent far baton-stream --correspondent --port=9000 \
    --rate=$rate
far=$pid
wait_for 5 "its start" grep -q ^address "$work/far.txt"
start_on tv tv baton-stream --service=stream --accept
start_on laptop near baton-stream --service=stream --accept --open \
    --port=9000 --rate=$rate --send=10.1.0.2:9000
near=$pid
wait_for 10 "its session" grep -q ^address "$work/near.txt"
read -r _ address _ _ _ session < "$work/near.txt"

for point in take/accepted take/restored take/ready; do
    say "stopped at $point"
    set_fault tv $point stop
    begin_move laptop "$session" tv
    wait_stopped tv
    move_fails .
    # Its waiting for late packets that come at once is over.
    warp laptop 5000
    on laptop baton sessions > "$work/sessions.txt"
    go_on tv
    rest
done
wait_for 10 "all datagrams" received_all
for key in lost duplicated stale wrong; do
    assert_equal "$(count "$(summary "$near" near)" $key)" 0 "device: $key"
    assert_equal "$(count "$(summary "$far" far)" $key)" 0 \
        "correspondent: $key"
done
