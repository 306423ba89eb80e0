# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # What lib.sh and its functions set.
#
# Sessions that are away while the controller is killed and started again: a
# stream of datagrams to the correspondent of another site, of which none may
# be missing, and a download.  File "file" of 60 MB has to be there.

# shellcheck source=tests/system/fault.sh
. "$(dirname "${BASH_SOURCE[0]}")/fault.sh"

rate=500

far_has() {
    [ "$(count "$(summary "$far_pid" far)" received)" -ge "$1" ]
}

# Is no datagram missing that was not dropped so, since $before?
far_is_whole() {
    local lost
    lost=$(count "$(summary "$far_pid" far)" lost)
    echo "$lost lost, before $(count "$before" lost)"
    [ "$lost" -le $(($(count "$before" lost) + $(ports_dropped) - dropped)) ]
}

# go_over_restart FAMILY DEVICE [COMMAND...]: sessions of laptop go to DEVICE;
# then the controller is killed, and COMMAND is run when the devices are back.
# All ends.
go_over_restart() {
    local family=$1 device=$2 far=10.9.0.2 far_pid there near curl size
    local before dropped address stream ending
    shift 2
    [ "$family" = 4 ] || far="[fd00:9::2]"
    start_on outside far baton-stream --correspondent --family="$family" \
        --port=9000 --rate=$rate
    far_pid=$pid
    wait_for 5 "its start" grep -q ^address "$work/far.txt"
    start_on "$device" there baton-stream --service=stream --accept \
        --rate=$rate
    there=$pid
    start_on laptop near baton-stream --service=stream --accept --open \
        --family="$family" --port=9000 --rate=$rate --send="$far:9000"
    near=$pid
    wait_for 10 "its session" grep -q ^address "$work/near.txt"
    read -r _ address _ _ _ stream < "$work/near.txt"
    move laptop "$stream" "$device"

    serve_on laptop --family="$family"
    slow_download file 1000000
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 200000
    move laptop "$session" "$device"
    dropped=$(ports_dropped)
    before=$(summary "$far_pid" far)

    kill_daemon controller
    restart controller
    wait_for 15 "the device to be back" on "$device" baton devices
    wait_for 15 "the laptop to be back" on laptop baton devices
    size=$(stat -c %s "$work/got-file")
    wait_for 10 "more bytes" file_has_bytes "$work/got-file" \
        $((size + 500000))
    [ $# = 0 ] || "$@"
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
    end_application "$device" baton-serve
    wait_for 10 "the sessions to end" no_session "$device" .
    rm "$work/got-file"
}
