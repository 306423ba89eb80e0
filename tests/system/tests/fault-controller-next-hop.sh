#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A14: a controller that was killed knows where sessions that are away go on.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

# Nobody but the device where the session began knows the gateway.
"$sandbox_program" policy --sites=2 --devices=laptop,tv@2 |
    sed '/^    gateways:/d' > "$work/policy.yaml"
faults_up --sites=2 --devices=laptop,tv@2 --policy="$work/policy.yaml"
make_file file 60000000
rate=500

far_has() {
    [ "$(count "$(summary "$far_pid" far)" received)" -ge "$1" ]
}

# Packets that found the buffer of some bridge's port full.
switches_dropped() {
    for switch in switch switch2; do
        on $switch ss -0nmO
    done | sed -n 's/.*:\(p-[a-z]*\|uplink\|br-[a-z0-9]*\).*,d\([0-9]*\)).*/\2/p' |
        awk '{ n += $1 } END { print n + 0 }'
}

# Is no datagram missing that was not dropped so, since $before?
far_is_whole() {
    local lost
    lost=$(count "$(summary "$far_pid" far)" lost)
    [ "$lost" -le $(($(count "$before" lost) + $(switches_dropped) - dropped)) ]
}

for family in 4 6; do
    far=10.9.0.2
    [ $family = 4 ] || far="[fd00:9::2]"
    say "IPv$family"
    start_on outside far baton-stream --correspondent --family=$family \
        --port=9000 --rate=$rate
    far_pid=$pid
    wait_for 5 "its start" grep -q ^address "$work/far.txt"
    start_on tv there baton-stream --service=stream --accept --rate=$rate
    there=$pid
    start_on laptop near baton-stream --service=stream --accept --open \
        --family=$family --port=9000 --rate=$rate --send="$far:9000"
    near=$pid
    wait_for 10 "its session" grep -q ^address "$work/near.txt"
    read -r _ address _ _ _ stream < "$work/near.txt"
    move laptop "$stream" tv

    serve_on laptop --family=$family
    slow_download file 1000000
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 200000
    move laptop "$session" tv
    dropped=$(switches_dropped)
    before=$(summary "$far_pid" far)

    kill_daemon controller
    restart controller
    wait_for 15 "the devices to be back" on tv baton devices
    wait_for 15 "the devices to be back" on laptop baton devices
    size=$(stat -c %s "$work/got-file")
    wait_for 10 "more bytes" file_has_bytes "$work/got-file" \
        $((size + 500000))
    wait_for 10 "more datagrams" far_has \
        $(($(count "$before" received) + 2 * rate))
    wait_for 5 "no datagram to be lost over the restart" far_is_whole

    hurry
    wait_exit 60 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    for ending in "$far_pid" "$there" "$near"; do
        kill "$ending"
        wait_exit 5 "$ending" || true
    done
    end_application tv baton-serve
    wait_for 10 "the sessions to end" no_session tv .
    rm "$work/got-file"
done
