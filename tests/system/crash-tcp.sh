# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A download, and an agent that is killed in the middle of a move of it and
# started again.

# shellcheck source=tests/system/fault.sh
. "$(dirname "${BASH_SOURCE[0]}")/fault.sh"

# crash_at VICTIM POINT: the agent of VICTIM, in a move from $owner to $other,
# in the middle of a download.
crash_at() {
    local victim=$1 point=$2 begun=$SECONDS process
    rm -f "$work/got-file"
    mark_logs
    download file --limit-rate 4M
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
    process=$(daemon_pid "$victim")
    set_fault "$victim" "$point" crash
    begin_move "$owner" "$session" "$other"
    wait_dead "$process"
    restart_and_rest "$victim"
    [ "$point" = give/move ] || assert_told controller > /dev/null
    [[ $point != give/* ]] || assert_told "$victim" > /dev/null
    wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    end_move 30 || true
    # One that was started for the session may wait for the next one.
    [ "$(pids_of "$other" baton-serve | wc -l)" -le 1 ] ||
        fail "servers left on $other"
    say "$victim killed at $point: $owner has it after" \
        "$((SECONDS - begun)) s; the asker: ${move_said:-(moved)}"
}
