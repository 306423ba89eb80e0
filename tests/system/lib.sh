# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # What is set here is for the tests.
#
# What system tests are written with.  A test is a bash file:
#
#     #!/usr/bin/env bash
#     # SPDX-License-Identifier: Apache-2.0
#     # A1: what it shows, on one line.
#     # shellcheck source=tests/system/lib.sh
#     . "$(dirname "$0")/../lib.sh"
#     sandbox_up
#     ...
#
# It ends well by reaching its end: then the logs are looked at, and a line at
# WARN or worse that the test did not announce (expect_log) fails it.  Whatever
# happens, the sandbox is taken down.

set -euo pipefail

test_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=$(cd "$test_dir/../.." && pwd)
sandbox_program=$source_dir/utilities/baton-sandbox
work=${TEST_WORK:?run me by tests/system/run}
sandbox=$work/sb
expected_log=()

if [ "$(id -u)" != 0 ]; then
    echo "only root can make network namespaces"
    exit 77
fi

say() {
    echo "$(date +%T) $*"
}

fail() {
    say "FAILED: $*"
    exit 1
}

# skip WHY...
skip() {
    echo "$*"
    exit 77
}

## The sandbox.

# sandbox_up [OPTION...]: of baton-sandbox up.
sandbox_up() {
    "$sandbox_program" up ${TEST_VERBOSE:+--verbose} "$@" "$sandbox"
}

# on HOST COMMAND...
on() {
    "$sandbox_program" exec "$sandbox" "$@"
}

# netns_of HOST
netns_of() {
    echo "baton-$(sed -n 's/^id=//p' "$sandbox/sandbox.conf")-$1"
}

# start_on HOST NAME COMMAND...: in the background; its output goes to
# $work/NAME.txt, what it says on standard error to $work/NAME.err.txt.
# Sets 'pid'.
start_on() {
    local host=$1 name=$2
    shift 2
    # Here, not in the background: what a former one said is not to be read.
    : > "$work/$name.txt"
    # exec: the process is the command itself, for signals.
    (exec "$sandbox_program" exec "$sandbox" "$host" "$@") \
        > "$work/$name.txt" 2> "$work/$name.err.txt" &
    pid=$!
}

# rogue_on HOST: runs the Python program on standard input, with 'sandbox' and
# what rogue.py has.
rogue_on() {
    {
        echo "import ssl"
        echo "from rogue import *"
        echo "sandbox = '$sandbox'"
        cat
    } > "$work/script.py"
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$test_dir on "$1" \
        python3 "$work/script.py" 2>&1 || fail "the rogue on $1"
}

## Sessions.

# sessions HOST: one line a session: SESSION ADDRESS NAME.
sessions() {
    on "$1" baton --format=csv sessions | python3 -c '
import csv, sys
for row in csv.DictReader(sys.stdin):
    print(row["session"], row["address"], row["name"])'
}

# Is there one whose line (as above) has PATTERN?
has_session() {
    sessions "$1" | grep -e "$2"
}

no_session() {
    ! has_session "$1" "$2"
}

has_address() {
    on "$1" ip -br address | grep -qF "$2/"
}

no_address() {
    ! has_address "$@"
}

# flows [SWITCH]: of its bridge, as people read them.
flows() {
    local switch=${1:-switch} bridge=br-home
    [ "$switch" = switch ] || bridge=br-site${switch#switch}
    on "$switch" ovs-ofctl -O OpenFlow15 --names dump-flows "$bridge"
}

# no_flows_for TEXT [SWITCH]: not counting blocks that begin with the address.
no_flows_for() {
    ! flows "${2:-switch}" | grep -F "$1" | grep -vF "$1/"
}

# Has HOST no routing rule for the address?
no_rule() {
    ! { on "$1" ip rule; on "$1" ip -6 rule; } | grep -F "from $2 "
}

# Packets that the router between the sites took for spoofed, or dropped
# because they were fragments.
filtered() {
    on router nft list chain inet internet forward |
        awk '/counter packets/ { for (i = 1; i < NF; i++)
                                     if ($i == "packets") n += $(i + 1) }
             END { print n + 0 }'
}

# Packets that found the buffer of some bridge's port full.
ports_dropped() {
    local switch
    for switch in "$sandbox"/ovs*; do
        on "switch${switch#"$sandbox/ovs"}" ss -0nmO
    done | sed -n 's/.*:\(p-[a-z]*\|uplink\|br-[a-z0-9]*\).*,d\([0-9]*\)).*/\2/p' |
        awk '{ n += $1 } END { print n + 0 }'
}

# find_session HOST [PATTERN]: waits for it; sets 'session' and 'address'.
find_session() {
    local line
    wait_for 10 "a session '${2:-}' on $1" has_session "$1" "${2:-.}"
    line=$(has_session "$1" "${2:-.}" | head -n 1)
    session=$(cut -d ' ' -f 1 <<<"$line")
    address=$(cut -d ' ' -f 2 <<<"$line")
}

# try_move FROM SESSION TO [OPTION...]: what it said goes to $work/move.txt.
try_move() {
    on "$1" baton --no-headings --format=csv move "${@:2}" \
        > "$work/move.txt" 2>&1
}

# move FROM SESSION TO [OPTION...]
move() {
    try_move "$@" || fail "move of $2 from $1 to $3: $(cat "$work/move.txt")"
    say "moved from $1 to $3"
}

# make_file NAME BYTES: random, where baton-serve finds it on each device.
make_file() {
    mkdir -p "$sandbox/files"
    head -c "$2" /dev/urandom > "$sandbox/files/$1"
}

# serve_on HOST [OPTION...]: baton-serve with a session; sets 'session',
# 'address', 'pid'.
serve_on() {
    local host=$1 output=$work/serve-$1.txt
    shift
    rm -f "$output"             # Of the one before.
    start_on "$host" "serve-$host" baton-serve --root="$sandbox/files" \
        --port=8080 --service=files "$@"
    wait_for 15 "the session of baton-serve" grep -q ^address "$output"
    read -r _ address _ _ _ session < "$output"
}

# pids_of HOST PROGRAM: of all that run there.
pids_of() {
    local candidate
    for candidate in $(ip netns pids "$(netns_of "$1")"); do
        ! tr '\0' ' ' < "/proc/$candidate/cmdline" | grep -q "/$2 \|^$2 " ||
            echo "$candidate"
    done
}

# end_application HOST PROGRAM: whichever process has the session there.
end_application() {
    # shellcheck disable=SC2046
    kill $(pids_of "$1" "$2")
}

# in_url ADDRESS: as it is written in a URL.
in_url() {
    case $1 in
    *:*) echo "[$1]" ;;
    *) echo "$1" ;;
    esac
}

# download NAME [OPTION...]: by curl at the correspondent, in the background,
# to $work/got-NAME; sets 'pid'.
download() {
    local name=$1
    shift
    start_on correspondent "curl-$name" curl -sS --fail \
        -o "$work/got-$name" "$@" "http://$(in_url "$address"):8080/$name"
}

# slow_download NAME BYTES: so many a second, until hurry() is called; as
# download().  Of a file that takes longer than what is to happen meanwhile.
slow_download() {
    rm -f "$work/hurry"
    start_on correspondent "curl-$1" bash -c "set -o pipefail
        curl -sS --fail http://$(in_url "$address"):8080/$1 |
        python3 $test_dir/throttle.py $2 $work/hurry > $work/got-$1"
}

# What slow_download() began goes on without a limit.
hurry() {
    touch "$work/hurry"
}

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

# Connections that HOST's kernel has with local address ADDRESS.
connections() {
    on "$1" ss -H -tn state established src "$(in_url "$2")" | wc -l
}

# has_connections HOST ADDRESS N.  The kernel's listing may pass over a socket
# while others come and go: to be waited for.
has_connections() {
    [ "$(connections "$1" "$2")" = "$3" ]
}

# assert_connections HOST N: that it comes to have with $address.
assert_connections() {
    wait_for 5 "connections on $1 to be $2" has_connections "$1" "$address" "$2"
}

mac_of() {
    on "$1" cat /sys/class/net/eth0/address
}

## Waiting.

# wait_for SECONDS WHAT COMMAND...: until COMMAND succeeds; fails the test if
# it does not in time.
wait_for() {
    local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000)) what=$2
    shift 2
    until "$@" > "$work/wait.txt" 2>&1; do
        if [ "${EPOCHREALTIME/./}" -gt "$deadline" ]; then
            cat "$work/wait.txt"
            fail "gave up waiting for $what"
        fi
        sleep 0.05
    done
}

# wait_exit SECONDS PID: until it has ended; returns its exit status.
wait_exit() {
    wait_for "$1" "process $2 to end" process_ended "$2"
    wait "$2"
}

process_ended() {
    local state
    state=$(awk '/^State:/ { print $2 }' "/proc/$1/status" 2>/dev/null) ||
        return 0
    [ -z "$state" ] || [ "$state" = Z ]
}

# file_has_bytes FILE N
file_has_bytes() {
    [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]
}

## Asserting.

assert_equal() {
    [ "$1" = "$2" ] || fail "${3:-}: expected '$2', got '$1'"
}

# assert_match TEXT REGEX WHAT
assert_match() {
    grep -Eq -- "$2" <<<"$1" || fail "$3: '$2' is not in: $1"
}

assert_no_match() {
    ! grep -Eq -- "$2" <<<"$1" || fail "$3: '$2' is in: $1"
}

sha256() {
    sha256sum "$1" | cut -d ' ' -f 1
}

# assert_same_bytes FILE FILE
assert_same_bytes() {
    assert_equal "$(stat -c %s "$1") $(sha256 "$1")" \
        "$(stat -c %s "$2") $(sha256 "$2")" "$1"
}

## Logs.

# expect_log REGEX: lines at WARN or worse that match are part of this test.
expect_log() {
    expected_log+=("$1")
}

# Lines at WARN or worse that nobody expected.  Always expected: what the
# operating system's scheduling makes libopenvswitch say of itself.
unexpected_log() {
    local regex='\|timeval(\([^)]*\))?\|WARN\|' expected
    for expected in ${expected_log[@]+"${expected_log[@]}"}; do
        regex="$regex|$expected"
    done
    find "$sandbox" -name '*.log' -print0 |
        xargs -0 -r grep -HE '\|(WARN|ERR|EMER)\|' |
        grep -Ev -- "$regex" || true
}

# A daemon of ours is ended, or a link of it: the others say so.
expect_disconnects() {
    expect_log 'fatal_signal[^|]*\|WARN\|terminating with signal'
    expect_log '(stream_ssl|stream_fd)[^|]*\|(WARN|ERR)\|'
    expect_log 'jsonrpc[^|]*\|WARN\|.*(send|receive) error'
    expect_log 'reconnect[^|]*\|WARN\|.*connection (dropped|attempt)'
    # Its database server has not yet seen that the former one is gone.
    expect_log 'bridge\|ERR\|another ovs-vswitchd process is running'
}

check_logs() {
    local lines
    lines=$(unexpected_log)
    [ -z "$lines" ] || fail "unexpected in the logs:
$lines"
}

# What sanitizers print goes to where their programs' standard error goes.
check_sanitizers() {
    local complaints
    complaints=$(find "$work" -type f \( -name '*.txt' -o -name '*.log*' \) \
        -print0 | xargs -0 -r grep -aE -A 20 \
        'ERROR: (Address|Leak)Sanitizer|runtime error:' | head -n 80)
    [ -z "$complaints" ] || fail "sanitizers complain:
$complaints"
}

at_exit() {
    exit_with $?
}

# exit_with STATUS: the end of a test, whichever.
exit_with() {
    local status=$1
    trap - EXIT
    trap '' INT TERM
    if [ "$status" = 0 ] && [ -e "$sandbox/sandbox.conf" ]; then
        (check_logs) || status=1
    fi
    if [ "$status" != 0 ] && [ "${TEST_KEEP:-no}" = yes ]; then
        exit "$status"
    fi
    "$sandbox_program" down "$sandbox" 2>/dev/null || true
    # Children in the background lived in the sandbox.
    wait 2>/dev/null
    (check_sanitizers) || status=1
    exit "$status"
}
trap at_exit EXIT
trap 'exit 143' INT TERM
