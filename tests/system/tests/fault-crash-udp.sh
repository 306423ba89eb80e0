#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An agent killed at each step of a transfer and started again: UDP.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
rate=500

# summary PID NAME: what that baton-stream counted until now.
summary() {
    local before
    before=$(grep -c '^{' "$work/$2.txt" || true)
    kill -USR1 "$1"
    wait_for 5 "its summary" more_summaries "$2" "$before"
    tail -n 1 "$work/$2.txt"
}

more_summaries() {
    [ "$(grep -c '^{' "$work/$1.txt")" -gt "$2" ]
}

# count SUMMARY KEY
count() {
    sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" <<<"$1"
}

# Each end sends numbered datagrams to the other, and counts what comes.
start_on correspondent far baton-stream --correspondent --port=9000 \
    --rate=$rate --duration=150
far=$pid
wait_for 5 "its start" grep -q ^address "$work/far.txt"
start_on tv tv baton-stream --service=stream --accept
tv=$pid
start_on laptop laptop baton-stream --service=stream --accept --open \
    --port=9000 --rate=$rate --send=10.1.0.2:9000
laptop=$pid
wait_for 10 "its session" grep -q ^address "$work/laptop.txt"
read -r _ address _ _ _ session < "$work/laptop.txt"
move laptop "$session" tv
rest
move tv "$session" laptop
rest
held_laptop=$(fds_of "$laptop") held_tv=$(fds_of "$tv")

# Both directions are alive: each end has received something new.
both_go_on() {
    local far_now near_now
    far_now=$(count "$(summary "$far" far)" received)
    near_now=$(count "$(summary "${!owner}" "$owner")" received)
    [ "$far_now" -gt $((far_before + rate / 10)) ] &&
        [ "$near_now" -gt $((near_before + rate / 10)) ]
}

lost_before=0 lost_total=0
# crash_at VICTIM POINT
crash_at() {
    local victim=$1 point=$2 process line lost
    mark_logs
    process=$(daemon_pid "$victim")
    set_fault "$victim" "$point" crash
    begin_move "$owner" "$session" "$other"
    wait_dead "$process"
    restart_and_rest "$victim"
    [ "$point" = give/move ] || assert_told controller > /dev/null
    [[ $point != give/* ]] || assert_told "$victim" > /dev/null
    end_move 30 || true
    line=$(summary "$far" far)
    far_before=$(count "$line" received)
    for key in lost duplicated wrong; do
        assert_equal "$(count "$line" $key)" 0 \
            "the correspondent's datagrams: $key"
    done
    line=$(summary "${!owner}" "$owner")
    near_before=$(count "$line" received)
    for key in duplicated wrong; do
        assert_equal "$(count "$line" $key)" 0 "the device's datagrams: $key"
    done
    lost=$(($(count "$line" lost) - lost_before))
    lost_before=$(count "$line" lost)
    lost_total=$((lost_total + lost))
    # Those that the dead process held, or that nobody was there to catch.
    [ "$lost" -le $((rate / 2)) ] || fail "$lost lost at $point"
    say "$victim killed at $point: $owner has it, $lost lost; the asker:" \
        "${move_said:-(moved)}"
    wait_for 10 "datagrams both ways" both_go_on
}

for point in move introduced connected offered accepted paused prepare go \
    captured state-sent released drained; do
    crash_at "$owner" "give/$point"
done
for point in offer accepted state restored ready claim owned unmuted \
    delivered; do
    crash_at "$other" "take/$point"
done
say "$lost_total datagrams lost in all"

# Back to where it was: no more descriptors than then.
[ "$owner" = laptop ] || move "$owner" "$session" laptop
rest
[ "$(fds_of "$laptop")" -le "$held_laptop" ] ||
    fail "descriptors of the application on laptop: $(ls -l "/proc/$laptop/fd")"
[ "$(fds_of "$tv")" -le "$held_tv" ] ||
    fail "descriptors of the application on tv: $(ls -l "/proc/$tv/fd")"
end_session baton-stream
