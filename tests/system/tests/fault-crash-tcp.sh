#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An agent killed at each step of a transfer and started again: TCP.
# shellcheck source=tests/system/crash-tcp.sh
. "$(dirname "$0")/../crash-tcp.sh"

faults_up
make_file file 6000000
serve_on laptop
move laptop "$session" tv
rest
move tv "$session" laptop
rest

for point in move introduced connected offered accepted paused prepare go \
    captured state-sent released drained; do
    crash_at "$owner" "give/$point"
done
for point in offer accepted state restored ready claim owned unmuted \
    delivered; do
    crash_at "$other" "take/$point"
done
end_session
