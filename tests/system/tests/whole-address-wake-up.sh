#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A6: a device's own address moves, the device sleeps for it, and wakes up.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/whole.sh
. "$test_dir/whole.sh"

# The agents reach the controller by the addresses that move.
sandbox_up --in-band --devices=laptop,tv,phone
expect_disconnects
make_file file 30000000

stream_has() {
    [ "$(count "$(summary "$stream_pid" stream)" received)" = "$1" ]
}

for family in 4 6; do
    own=$(own_of $family)
    far=10.1.0.2
    [ $family = 4 ] || far=fd00:1::2
    say "IPv$family: $own moves, with what two applications have open"
    wait_for 20 "the controller to name $own" has_own laptop "$own"
    # The one before it may still end.
    serve_on laptop --permanent --family=$family
    assert_equal "$address" "$own"
    slow_download file 1000000
    download_pid=$pid
    streams=()
    for device in tv phone; do
        start_on $device $device-stream baton-stream --service=stream --accept
        streams+=("$pid")
    done
    start_on laptop stream baton-stream --service=stream --accept --open \
        --permanent --family=$family --port=9000
    stream_pid=$pid
    wait_for 10 "the stream's socket" grep -q ^address "$work/stream.txt"
    start_on correspondent far baton-stream --correspondent --family=$family \
        --send="$(in_url "$own"):9000" --rate=500
    far_pid=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000
    move laptop "$own" tv
    wait_for 10 "laptop to let go of $own" not_bound laptop "$own"
    has_own laptop "$own" asleep > /dev/null ||
        fail "laptop does not know that it sleeps"
    [ $family = 6 ] ||
        wait_for 5 "the channel by a temporary address" by_temporary laptop
    check_silence laptop "$own"

    say "it is awake for all else, and for the controller"
    on laptop curl -sS --max-time 5 -o /dev/null "http://$(in_url $far):1/" \
        2> "$work/refused.txt" || true
    assert_match "$(cat "$work/refused.txt")" "refused|Couldn't" \
        "a connection from laptop"
    on laptop baton devices | grep tv > /dev/null || fail "no controller"

    say "on to phone, and woken with everything"
    move tv "$own" phone
    on laptop baton wake || fail "baton wake"
    bound laptop "$own" > /dev/null || fail "$own is not back"
    [ $family = 6 ] ||
        wait_for 10 "the channel by $own" endpoint_is laptop \
            "ssl:$own:6655"
    ! process_ended "$download_pid" || fail "the download did not last"
    hurry
    wait_exit 60 "$download_pid" ||
        fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    # What the correspondent has sent, each once, wherever it went.
    kill "$far_pid"
    wait_exit 10 "$far_pid" || true
    sent=$(count "$(tail -n 1 "$work/far.txt")" sent)
    wait_for 10 "$sent datagrams" stream_has "$sent"
    line=$(summary "$stream_pid" stream)
    for key in lost duplicated stale wrong; do
        assert_equal "$(count "$line" $key)" 0 "$key: $line"
    done
    kill "$stream_pid" "${streams[@]}"
    for pid in "$stream_pid" "${streams[@]}"; do
        wait_exit 5 "$pid" || true
    done
    rm "$work/got-file"
    end_application laptop baton-serve
    wait_for 10 "the applications to end" no_programs laptop
done

say "who does not get it changes nothing"
! try_move laptop 10.1.0.11 nobody || fail "moved to nobody"
assert_match "$(cat "$work/move.txt")" "nobody" "the reason"
wait_for 10 "the channel by 10.1.0.11" endpoint_is laptop ssl:10.1.0.11:6655
bound laptop 10.1.0.11 > /dev/null || fail "10.1.0.11 is gone"
assert_equal "$(on laptop ip rule | grep -c 7183 || true)" 0 "rules left"

say "all at once, with nobody at home"
on laptop baton move --whole tv || fail "baton move --whole"
for own in 10.1.0.11 fd00:1::11; do
    wait_for 10 "laptop to sleep for $own" has_own laptop $own asleep
    wait_for 10 "tv to have $own" bound tv $own
done
on laptop baton wake || fail "baton wake"
for own in 10.1.0.11 fd00:1::11; do
    bound laptop $own > /dev/null || fail "$own is not back"
    wait_for 10 "tv to let go of $own" not_bound tv $own
done
