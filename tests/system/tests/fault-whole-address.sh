#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Agents die while a whole address is elsewhere, and on the way.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"
# shellcheck source=tests/system/whole.sh
. "$test_dir/whole.sh"

faults_up --in-band --devices=laptop,tv
make_file file 60000000

more() {
    local size
    size=$(stat -c %s "$work/got-file")
    wait_for "${1:-20}" "more bytes" file_has_bytes "$work/got-file" \
        $((size + 200000))
}

# owner_is DEVICE: by the controller's record.
owner_is() {
    on switch baton-ctl --target="$sandbox/controller/baton-controller.ctl" \
        --format=csv sessions | grep ",$own,permanent,,$1,laptop,"
}

# begin: a download and a stream on laptop's own address, here.
begin() {
    wait_for 20 "laptop to have $own" bound laptop "$own"
    wait_for 20 "the controller to name it" has_own laptop "$own"
    serve_on laptop --permanent --family=$family
    rm -f "$work/got-file"
    slow_download file 300000
    start_on laptop stream baton-stream --service=stream --permanent \
        --family=$family --port=9000
    wait_for 10 "the stream's socket" grep -q ^address "$work/stream.txt"
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 200000
}

# finish: it is whole; both applications end.
finish() {
    ! process_ended "$download_pid" || fail "the download did not last"
    hurry
    wait_exit 60 "$download_pid" ||
        fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    end_application laptop baton-serve
    end_application laptop baton-stream
    wait_for 10 "the applications to end" no_programs laptop
}

for family in 4 6; do
    own=$(own_of $family)
    begin
    download_pid=$(jobs -p | tail -n 2 | head -n 1)
    say "IPv$family: the agent that sleeps"
    move laptop "$own" tv
    wait_for 10 "laptop to sleep" has_own laptop "$own" asleep
    kill_daemon laptop
    # As if its host had started anew.
    case $family in
    4) on laptop ip address replace "$own/24" dev eth0 ;;
    6) on laptop ip address replace "$own/64" dev eth0 nodad ;;
    esac
    restart laptop
    wait_for 20 "the agent to be there" has_own laptop "$own" asleep
    not_bound laptop "$own" > /dev/null || fail "it does not sleep"
    wait_for 20 "laptop to be registered" is_registered laptop
    check_silence laptop "$own"
    more

    say "the agent that has it"
    kill_daemon tv
    restart tv
    wait_for 20 "tv's agent to have it again" has_own tv "$own" here
    # Until it takes away what nobody shows; it renews its lease meanwhile.
    for ((i = 0; i < 6; i++)); do
        warp tv 2700
        on tv baton devices > "$work/devices.txt" || fail "no controller"
    done
    more
    on laptop baton wake || fail "baton wake"
    bound laptop "$own" > /dev/null || fail "$own is not back"
    more
    finish

    # Half of them for each: what differs is not the family's.
    points="give/captured take/claim"
    [ $family = 4 ] || points="give/released take/restored"
    for point in $points; do
        begin
        download_pid=$(jobs -p | tail -n 2 | head -n 1)
        victim=laptop
        [ "${point%/*}" = give ] || victim=tv
        say "IPv$family: the agent of $victim dies at $point"
        set_fault $victim "$point" crash
        victim_pid=$(daemon_pid $victim)
        try_move laptop "$own" tv || say "$(cat "$work/move.txt")"
        wait_dead "$victim_pid"
        restart $victim
        wait_for 20 "laptop to be registered" is_registered laptop
        wait_for 20 "tv to be registered" is_registered tv
        more 30
        if owner_is tv > /dev/null; then
            say "it is tv's"
            wait_for 20 "laptop to sleep" has_own laptop "$own" asleep
            on laptop baton wake || fail "baton wake"
        fi
        wait_for 20 "laptop to have it" bound laptop "$own"
        more
        # What nobody showed to the new agent it need not wait for any more.
        [ $victim = tv ] || warp laptop 16000
        wait_for 20 "the channel by $own" endpoint_is laptop \
            "ssl:10.1.0.11:6655"
        more
        finish
    done
done
