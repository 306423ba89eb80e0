#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An agent started twice: the first goes on; a device registered twice.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
make_file file 15000000
serve_on laptop
warm_up --limit-rate 2M
first=$(daemon_pid laptop)
pki=$sandbox/pki

say "the same command again"
mark_logs
! "$sandbox_program" start "$sandbox" laptop > "$work/again.txt" 2>&1 ||
    fail "a second agent runs"
say "it says: $(cat "$work/again.txt")"
assert_match "$(cat "$work/again.txt")" 'already (running|in use)|in use' "why"
expect_log 'already (running|in use)|Address already in use'

say "with files of its own, but the same socket"
start_on laptop again "$BATON_BUILD/agentd/baton-agentd" \
    --private-key="$pki/laptop-privkey.pem" \
    --certificate="$pki/laptop-cert.pem" --ca-cert="$pki/device-trust.pem" \
    --listen=pssl:6699:127.0.0.1 --interface=eth0 \
    --socket="$sandbox/hosts/laptop/agent.sock" \
    --state-dir="$work/again-state" --unixctl="$work/again.ctl" \
    ssl:10.255.0.1:6654
! wait_exit 5 "$pid" || fail "a second agent ran"
say "it says: $(tail -n 1 "$work/again.err.txt")"
assert_match "$(cat "$work/again.err.txt")" 'another agent is at work there' \
    "why"
assert_equal "$(daemon_pid laptop)" "$first" "who runs"
! process_ended "$first" || fail "the first agent has ended"
rest
move laptop "$session" tv
rest
move tv "$session" laptop
rest

say "the device registers again from elsewhere; the first comes back"
mark_logs
rogue_on tv <<'END'
with Rogue(sandbox, "laptop") as thief:
    registered, error = thief.register()
    assert registered, error
    assert thief.wait_note("attach-challenge", 5)
    try:
        while thief.pump(10):
            pass
        raise AssertionError("the second connection stays")
    except (EOFError, ConnectionError, ssl.SSLError):
        print("closed, since the first one registered again")
END
assert_logged controller 'registered|registers again'
wait_registered
rest
assert_equal "$owner" laptop "who has it"
wait_for 10 "a move after that" on laptop baton move "$session" tv
rest
move tv "$session" laptop
assert_whole
assert_no_more_fds
end_session
