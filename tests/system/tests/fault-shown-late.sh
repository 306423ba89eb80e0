#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An application that shows its session after the transfer was decided keeps it.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

# shown_late VICTIM POINT KEEPER: VICTIM's agent is killed at POINT, and its
# application does not get to speak with the new one until that has heard from
# the controller how the transfer ended: KEEPER has the session then.
shown_late() {
    local victim=$1 agent
    say "$victim's agent is killed at $2"
    mark_logs
    agent=$(daemon_pid "$victim")
    set_fault "$victim" "$2" crash
    begin_move "$owner" "$session" "$other"
    wait_dead "$agent"
    kill -STOP "${!victim}"
    restart "$victim" # It has a second until the transfer is aborted.
    wait_for 10 "the decision" is_logged controller \
        "transfer .* of session $session .*: (committed|aborted)"
    wait_for 10 "$victim's agent" can_list "$victim"
    knows_epoch "$victim" || say "    it was too late to hear of the end"
    kill -CONT "${!victim}"
    wait "$mover" || true
    rest
    assert_equal "$owner" "$3" "who has the session"
    assert_logged "$victim" "session $session: found again"
    stream_counts
    wait_for 10 "datagrams both ways" both_go_on
}

knows_epoch() {
    appctl "$1" agent/show | grep -q '"epochs_remembered": 1'
}

faults_up
stream_up 50 100000
# It has not given the session away; it has, but perhaps it comes back; and it
# has taken it.
shown_late laptop give/go laptop
shown_late laptop give/captured laptop
shown_late laptop give/state-sent tv
shown_late laptop take/claim laptop
