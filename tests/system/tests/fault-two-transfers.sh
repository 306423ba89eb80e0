#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two transfers of one session at once: one goes on, the other is refused.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

devices=(laptop tv phone)
faults_up --devices=laptop,tv,phone
make_file file 15000000
serve_on laptop
warm_up --limit-rate 3M

say "the second while the first has begun"
mark_logs
set_fault tv take/offer stop
begin_move laptop "$session" tv
wait_stopped tv
for target in phone tv; do
    ! on laptop baton move "$session" $target > "$work/second.txt" 2>&1 ||
        fail "a second transfer was begun"
    say "the asker is told: $(cat "$work/second.txt")"
    assert_match "$(cat "$work/second.txt")" 'moving to tv already' \
        "the reason"
done
go_on tv
move_succeeds
assert_told laptop controller tv
rest
assert_equal "$owner" tv "who has it"

say "the target passes it on before it has it"
mark_logs
set_fault laptop take/restored stop
begin_move tv "$session" laptop
wait_stopped laptop
! on tv baton move "$session" phone > "$work/second.txt" 2>&1 ||
    fail "a second transfer was begun"
assert_match "$(cat "$work/second.txt")" 'moving to laptop already' \
    "the reason"
go_on laptop
move_succeeds
assert_told laptop controller tv
rest

say "many at once"
askers=()
for target in tv phone tv phone tv phone; do
    on laptop baton move "$session" $target > "$work/many.txt" 2>&1 &
    askers+=($!)
done
for asker in "${askers[@]}"; do
    wait "$asker" && moved=$((${moved:-0} + 1))
done
rest
assert_equal "$moved" 1 "how many said that it moved"
say "$owner has it"
assert_whole
rest
[ "$owner" = laptop ] || move "$owner" "$session" laptop

say "an agent that is not honest introduces twice"
"$sandbox_program" stop "$sandbox" phone
rogue_on phone <<'END'
with Rogue(sandbox, "phone") as phone:
    registered, error = phone.register()
    assert registered, error
    assert phone.attach(), "not attached"
    lease, error = phone.request("lease", {"family": 4})
    assert lease, error
    what = {"session": new_uuid(), "epoch": 0, "name": "x",
            "address": lease["prefix"].split("/")[0], "service": "files"}
    phone.notify("announce", dict(what, state="owner"))
    made, error = phone.request("introduce", dict(what, target="tv"))
    assert made, error
    expect_error(phone.request("introduce", dict(what, target="tv")), "busy")
    expect_error(phone.request("introduce", dict(what, target="laptop")),
                 "busy")
    phone.notify("withdraw", {"transfer": made["transfer"], "reason": "test"})
    made, error = phone.request("introduce", dict(what, target="laptop"))
    assert made, error
END
devices=(laptop tv)
rest
end_session
