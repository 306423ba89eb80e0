# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # What is set here is for the tests.
#
# What the tests of faults have in common: daemons that stop or end at a named
# point (lib/fault.h), moves that are waited for, and the look at what a fault
# has left behind.

# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

devices=(laptop tv)
# TCP connections, or UDP sockets that have a peer, that the owner of the
# session has at the most.
sockets_max=1

## Daemons: the controller, or the agent of a device.

home_of() {
    if [ "$1" = controller ]; then
        echo "$sandbox/controller/baton-controller"
    else
        echo "$sandbox/hosts/$1/baton-agentd"
    fi
}

daemon_pid() {
    cat "$(home_of "$1").pid"
}

# appctl DAEMON COMMAND...
appctl() {
    local target
    target=$(home_of "$1").ctl
    shift
    ovs-appctl --timeout=10 -t "$target" "$@"
}

# faults_up [OPTION...]: a sandbox whose daemons have fault points and whose
# time can be warped.
faults_up() {
    sandbox_up --daemon-option=--enable-dummy "$@"
    appctl controller fault/list > /dev/null 2>&1 ||
        skip "built without --enable-fault-injection"
    expect_disconnects
    expect_log 'rconn[^|]*\|WARN\|.*connection dropped'
    expect_log '(jsonrpc|stream_ssl|reconnect)[^|]*\|WARN\|Dropped [0-9]+ log'
}

# set_fault DAEMON POINT ACTION [MSEC]
set_fault() {
    local daemon=$1
    shift
    appctl "$daemon" fault/set "$@" > /dev/null || fail "fault/set $*"
}

# warp DAEMON MSEC: its clock goes that much forward.
warp() {
    appctl "$1" time/warp "$2" > /dev/null || fail "time/warp $2 on $1"
}

process_state() {
    awk '/^State:/ { print $2 }' "/proc/$1/status" 2> /dev/null
}

is_stopped() {
    [ "$(process_state "$1")" = T ]
}

# wait_stopped DAEMON: at its fault point.
wait_stopped() {
    wait_for 10 "$1 to stop" is_stopped "$(daemon_pid "$1")"
}

# go_on DAEMON
go_on() {
    kill -CONT "$(daemon_pid "$1")"
}

# wait_dead PID
wait_dead() {
    wait_for "${2:-10}" "process $1 to end" process_ended "$1"
}

kill_daemon() {
    local victim
    victim=$(daemon_pid "$1")
    kill -KILL "$victim"
    wait_dead "$victim"
}

restart() {
    "$sandbox_program" start "$sandbox" "$1" || fail "$1 does not start again"
}

# restart_and_rest DEVICE: its agent was killed.  What nobody shows to the new
# agent it takes away in 15 s, which pass at once.
restart_and_rest() {
    restart "$1"
    wait_for 20 "the session to have an owner" has_owner
    warp "$1" 16000
    rest
}

# cut_link HOST: the connections of HOST's agent with the controller break,
# as if by a fault of the network; it may connect again.
cut_link() {
    on "$1" ss -K -H -tn dst 10.255.0.1 dport = 6654 > /dev/null
}

wait_registered() {
    local device
    for device in "${devices[@]}"; do
        wait_for 15 "$device to register" can_list "$device"
    done
}

can_list() {
    on "$1" baton devices
}

## Moves.

# begin_move FROM SESSION TO: in the background; sets 'mover'.
begin_move() {
    on "$1" baton --no-headings --format=csv move "$2" "$3" \
        > "$work/mover.txt" 2>&1 &
    mover=$!
}

# end_move [SECONDS]: returns what it returned; what it said is 'move_said'.
end_move() {
    local status=0
    wait_exit "${1:-20}" "$mover" || status=$?
    move_said=$(cat "$work/mover.txt")
    return $status
}

# move_fails REGEX: the move that was begun ends with such a reason.
move_fails() {
    ! end_move 30 || fail "it moved: $move_said"
    assert_match "$move_said" "$1" "the reason for the asker"
    say "the asker is told: $move_said"
}

move_succeeds() {
    end_move 30 || fail "it did not move: $move_said"
}

## Logs of one case.

mark_logs() {
    local daemon
    for daemon in controller "${devices[@]}"; do
        wc -c < "$(home_of "$daemon").log" > "$work/mark-$daemon"
    done
}

# new_log DAEMON: what it has logged since mark_logs.
new_log() {
    tail -c +$(($(cat "$work/mark-$1") + 1)) "$(home_of "$1").log"
}

# assert_logged DAEMON REGEX
assert_logged() {
    wait_for 5 "'$2' in the log of $1" is_logged "$@"
}

is_logged() {
    new_log "$1" | grep -E -- "$2"
}

# assert_told: each side and the controller have said in one line what became
# of the session; prints these lines.
assert_told() {
    local daemon
    for daemon in "$@"; do
        if [ "$daemon" = controller ]; then
            assert_logged controller \
                "transfer .* of session $session .*: [a-z]+, (from|stays)"
        else
            assert_logged "$daemon" \
                "session $session: (moved|came|did not|found again|ended|discarded|lost)"
        fi
        new_log "$daemon" | grep -F "$session" |
            grep -oE '(moved to|came from|did not|found again|ended|discarded|lost|committed|aborted|withdrawn)[^|]*$' |
            tail -n 1 | sed "s/^/    $daemon: /"
    done
}

## What is left behind.

# look_at DEVICE: what it has of the session, one thing a line.  Connections
# that both ends have closed are the kernel's affair alone.
look_at() {
    on "$1" sh -c '
        baton --no-headings --format=csv sessions | grep -F "'"$session"'" |
            sed "s/.*,\(here\|leaving\|coming\|ending\),.*/session \1/"
        { ip rule; ip -6 rule; } | grep blackhole | sed "s/^/rule /"
        ip -o address | grep -wF "'"$address"'" |
            sed "s/^[0-9]*: \([^ ]*\).*/address \1/"
        ss -H -tuan src "'"$address"'" |
            grep -v "TIME-WAIT\|LAST-ACK" | sed "s/^/socket /"'
}

# has_owner: one device, and no other, says that the session is there.
has_owner() {
    local device n=0
    for device in "${devices[@]}"; do
        ! has_session "$device" "$session" || n=$((n + 1))
    done
    [ $n = 1 ]
}

# at_rest: the session has one owner, who alone has its address and sockets;
# sets 'owner', or says what is not so and fails.
at_rest() {
    local device looked found=()
    for device in "${devices[@]}"; do
        looked=$(look_at "$device")
        if grep -q '^session here' <<<"$looked"; then
            found+=("$device")
            [ "$(grep -c ^address <<<"$looked")" = 1 ] &&
                grep -q '^address eth0' <<<"$looked" &&
                ! grep -q ^rule <<<"$looked" &&
                [ "$(grep -c '^socket [a-z]* *ESTAB' <<<"$looked")" -le \
                    $sockets_max ] && continue
        elif [ -z "$looked" ]; then
            continue
        fi
        echo "$device has:"
        echo "$looked"
        return 1
    done
    if [ ${#found[@]} != 1 ]; then
        echo "owners: ${found[*]}"
        return 1
    fi
    echo "${found[0]}" > "$work/owner"
}

# rest [SECONDS]: waits until it is so.
rest() {
    wait_for "${1:-20}" "the session to be at rest" at_rest
    owner=$(cat "$work/owner")
    other=tv
    [ "$owner" != tv ] || other=laptop
}

# all_gone: nothing of the session is left, on any device or on the bridge.
all_gone() {
    local device
    for device in "${devices[@]}"; do
        look_at "$device" | sed "s/^/$device: /" | grep . && return 1
    done
    # Not the flows of a block that begins with it.
    ! flows | grep -wF "$address" | grep -vF "$address/"
}

# end_session: by ending the application that has it; nothing is left.
end_session() {
    local program=${1:-baton-serve} device
    for device in "${devices[@]}"; do
        end_application "$device" "$program" 2> /dev/null || true
    done
    wait_for 20 "the end of the session to leave nothing" all_gone
}

fds_of() {
    # shellcheck disable=SC2012
    ls "/proc/$1/fd" | wc -l
}

# mark_fds: how many descriptors the daemons have now.
mark_fds() {
    local daemon
    for daemon in controller laptop tv; do
        fds_of "$(daemon_pid "$daemon")" > "$work/fds-$daemon"
    done
}

no_more_fds() {
    local daemon now
    for daemon in controller laptop tv; do
        now=$(fds_of "$(daemon_pid "$daemon")")
        if [ "$now" -gt "$(cat "$work/fds-$daemon")" ]; then
            echo "$daemon had $(cat "$work/fds-$daemon") descriptors, and" \
                "has $now:"
            ls -l "/proc/$(daemon_pid "$daemon")/fd"
            return 1
        fi
    done
}

# assert_no_more_fds: none of them has more than mark_fds found.
assert_no_more_fds() {
    wait_for 10 "descriptors to be closed" no_more_fds
}

# warm_up: there and back once, so that what stays open is open; then a
# download of "file" begins, its process 'curl', and descriptors are counted.
# With "--slow BYTES" it lasts until assert_whole.
warm_up() {
    move laptop "$session" tv
    rest
    move tv "$session" laptop
    rest
    if [ "${1:-}" = --slow ]; then
        slow_download file "$2"
    else
        download file "$@"
    fi
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
    mark_fds
}

# assert_whole: the download that warm_up began ends well.
assert_whole() {
    hurry
    wait_exit 30 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
}

## A datagram stream both ways.

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

# stream_up RATE SECONDS: each end sends numbered datagrams to the other, and
# counts what comes.  Moves there and back once.
stream_up() {
    stream_rate=$1 lost_before=0 lost_total=0 dropped_before=0
    start_on correspondent far baton-stream --correspondent --port=9000 \
        --rate="$stream_rate" --duration="$2"
    far=$pid
    wait_for 5 "its start" grep -q ^address "$work/far.txt"
    start_on tv tv baton-stream --service=stream --accept
    tv=$pid
    start_on laptop laptop baton-stream --service=stream --accept --open \
        --port=9000 --rate="$stream_rate" --send=10.1.0.2:9000
    laptop=$pid
    wait_for 10 "its session" grep -q ^address "$work/laptop.txt"
    read -r _ address _ _ _ session < "$work/laptop.txt"
    move laptop "$session" tv
    rest
    move tv "$session" laptop
    rest
}

# dropped_at_ports: packets that the bridge never saw, since a port's buffer
# was full: the switch had not been given the processor for so long.
dropped_at_ports() {
    on switch ss -0nmO |
        awk '/:p-/ { sub(/.*,d/, ""); n += $0 } END { print n + 0 }'
}

# stream_counts: what the ends counted; sets 'lost', on the device's side since
# the last time and without 'dropped', those that the bridge never saw.  What
# must not be fails the test.
stream_counts() {
    local line key total
    line=$(summary "$far" far)
    far_before=$(count "$line" received)
    for key in duplicated wrong; do
        assert_equal "$(count "$line" $key)" 0 \
            "the correspondent's datagrams: $key"
    done
    total=$(dropped_at_ports)
    dropped=$((total - dropped_before))
    dropped_before=$total
    [ $dropped = 0 ] || say "    $dropped datagrams dropped at the switch's ports"
    [ "$(count "$line" lost)" -le "$total" ] ||
        fail "the correspondent's datagrams: $(count "$line" lost) lost, and" \
            "the switch's ports dropped $total"
    line=$(summary "${!owner}" "$owner")
    near_before=$(count "$line" received)
    for key in duplicated wrong; do
        assert_equal "$(count "$line" $key)" 0 "the device's datagrams: $key"
    done
    lost=$(($(count "$line" lost) - lost_before))
    lost_before=$((lost_before + lost))
    lost=$((lost > dropped ? lost - dropped : 0))
    lost_total=$((lost_total + lost))
}

# Both directions are alive: each end has received something new.
both_go_on() {
    local far_now near_now
    far_now=$(count "$(summary "$far" far)" received)
    near_now=$(count "$(summary "${!owner}" "$owner")" received)
    [ "$far_now" -gt $((far_before + stream_rate / 10)) ] &&
        [ "$near_now" -gt $((near_before + stream_rate / 10)) ]
}

## A database that is not the controller's own.

# database_up: makes one and starts its server; sets 'database', for --db.
database_up() {
    PATH=$PATH:/usr/sbin
    database=unix:$work/db.sock
    ovsdb-tool create "$work/baton.db" "$source_dir/schemas/baton.ovsschema"
    trap 'database_down' EXIT
    database_start
}

database_start() {
    ovsdb-server "$work/baton.db" --remote="p$database" --no-chdir --detach \
        --pidfile="$work/ovsdb-server.pid" --unixctl="$work/ovsdb-server.ctl" \
        -vconsole:off --log-file="$work/ovsdb-server.log"
}

database_kill() {
    local process
    process=$(cat "$work/ovsdb-server.pid")
    kill -KILL "$process"
    wait_dead "$process"
}

database_down() {
    local status=$?
    kill "$(cat "$work/ovsdb-server.pid")" 2> /dev/null || true
    exit_with $status
}

## Agents that are not as they should be.

# odd_agent HOST NAME KEYS TRUST [OPTION...]: an agent on HOST, beside the one
# that is there or not, with the private key and certificate KEYS-*.pem.  Its
# files are $work/NAME.*; sets 'pid'.
odd_agent() {
    local host=$1 name=$2 keys=$3 trust=$4
    shift 4
    start_on "$host" "$name" "$BATON_BUILD/agentd/baton-agentd" \
        --private-key="$keys-privkey.pem" --certificate="$keys-cert.pem" \
        --ca-cert="$trust" --listen=pssl:6699:127.0.0.1 --interface=eth0 \
        --socket="$work/$name.sock" --state-dir="$work/$name-state" \
        --unixctl="$work/$name.ctl" -vconsole:off -vfile:info \
        --log-file="$work/$name.log" "$@" ssl:10.255.0.1:6654
}

# file_says FILE REGEX
file_says() {
    grep -qE -- "$2" "$1"
}

# wait_says FILE REGEX: until FILE has such a line, which is printed.
wait_says() {
    wait_for 10 "'$2' in $1" file_says "$1" "$2"
    say "$(basename "$1"): $(grep -E -- "$2" "$1" | tail -n 1 |
        sed 's/.*|\(INFO\|WARN\|ERR\)|//')"
}

controller_log() {
    home_of controller | sed 's/$/.log/'
}

nothing_on_devices() {
    local device
    for device in "${devices[@]}"; do
        look_at "$device" | sed "s/^/$device: /" | grep . && return 1
    done
    return 0
}
