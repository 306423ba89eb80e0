#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A device that the policy does not know, or knows no more.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

"$sandbox_program" policy --devices=laptop,tv,phone > "$work/policy.yaml"
devices=(laptop tv phone)
faults_up --devices=laptop,tv,phone --policy="$work/policy.yaml"
expect_log 'is not in the (policy|controller.s policy)'
expect_log 'refuses this device'
policy=$sandbox/controller/policy.yaml
cp "$policy" "$work/with-phone.yaml"
sed '/^  phone:/d' "$policy" > "$work/without-phone.yaml"

# use_policy NAME
use_policy() {
    cp "$work/$1.yaml" "$policy"
    on switch baton-ctl policy reload || fail "policy reload"
}

phone_says() {
    ! on phone baton devices > "$work/mover.txt" 2>&1 ||
        fail "phone is answered: $(cat "$work/mover.txt")"
    grep -q 'phone is not in the controller.s policy' "$work/mover.txt"
}

make_file file 20000000
serve_on laptop
warm_up --limit-rate 2M

say "taken out while it takes a session: the session stays"
mark_logs
set_fault phone take/restored stop
begin_move laptop "$session" phone
wait_stopped phone
use_policy without-phone
move_fails 'phone|policy'
go_on phone
rest
assert_equal "$owner" laptop "who has it"
assert_told laptop controller phone
assert_logged controller 'phone.*not in the policy'
assert_logged phone 'phone is not in the controller.s policy'
wait_for 10 "the reason on phone" phone_says
say "phone is told: $(cat "$work/mover.txt")"

say "unknown: nobody can move anything there"
mark_logs
! on laptop baton move "$session" phone > "$work/mover.txt" 2>&1 ||
    fail "it moved"
say "the asker is told: $(cat "$work/mover.txt")"
assert_match "$(cat "$work/mover.txt")" 'policy knows no device phone' why

say "unknown from the beginning"
"$sandbox_program" stop "$sandbox" phone
restart phone
mark_logs
warp phone 10000
assert_logged controller 'phone.*not in the policy'
wait_for 10 "the reason on phone" phone_says
rogue_on tv <<'END'
with Rogue(sandbox, "phone") as phone:
    expect_error(phone.register(), "unknown-device")
END

say "known again"
use_policy with-phone
warp phone 20000
wait_for 15 "phone to register" can_list phone
move laptop "$session" phone
rest
assert_equal "$owner" phone "who has it"

say "taken out while it has the session: the others cannot take it"
use_policy without-phone
wait_for 10 "the reason on phone" phone_says
! on phone baton move "$session" tv > "$work/mover.txt" 2>&1 ||
    fail "it moved"
say "the asker is told: $(cat "$work/mover.txt")"
assert_match "$(cat "$work/mover.txt")" 'policy' why
use_policy with-phone
warp phone 20000
wait_for 15 "phone to register" can_list phone
rest
move phone "$session" laptop
rest
assert_whole
end_session
