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
    "$sandbox_program" up "$@" "$sandbox"
}

# on HOST COMMAND...
on() {
    "$sandbox_program" exec "$sandbox" "$@"
}

# start_on HOST NAME COMMAND...: in the background; its output goes to
# $work/NAME.txt, what it says on standard error to $work/NAME.err.txt.
# Sets 'pid'.
start_on() {
    local host=$1 name=$2
    shift 2
    on "$host" "$@" > "$work/$name.txt" 2> "$work/$name.err.txt" &
    pid=$!
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
    local status=$?
    trap - EXIT
    trap '' INT TERM
    if [ $status = 0 ] && [ -e "$sandbox/sandbox.conf" ]; then
        (check_logs) || status=1
    fi
    if [ $status != 0 ] && [ "${TEST_KEEP:-no}" = yes ]; then
        exit $status
    fi
    "$sandbox_program" down "$sandbox" 2>/dev/null || true
    # Children in the background lived in the sandbox.
    wait 2>/dev/null
    if [ $status = 0 ]; then
        (check_sanitizers) || status=1
    fi
    exit $status
}
trap at_exit EXIT
trap 'exit 143' INT TERM
