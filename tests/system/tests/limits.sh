#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# I5: no user, and no device, takes more than its share.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

{
    "$sandbox_program" policy --in-band
    echo "limits: {user-sessions: 3, introduction-rate: 5}"
} > "$work/policy.yaml"
sandbox_up --in-band --policy="$work/policy.yaml"
chmod a+x "$work" "$sandbox" "$sandbox/hosts" "$sandbox/hosts/laptop"
mkdir -p "$sandbox/files"

# as_nobody NAME OPTION...: baton-serve by that user.
as_nobody() {
    start_on laptop "$1" setpriv --reuid=nobody --regid=nogroup \
        --clear-groups baton-serve --root="$sandbox/files" "${@:2}"
}

says() {
    grep -h "$2" "$work/$1.txt" "$work/$1.err.txt"
}

say "a user's sessions"
for n in 1 2 3; do
    as_nobody "own$n" --port=808$n
    wait_for 10 "session $n" says "own$n" ^address
done
as_nobody own4 --port=8084
wait_for 10 "the fourth to be refused" says own4 "as many as policy permits"
serve_on laptop

say "the name of another user's service"
as_nobody name --port=8085 --permanent --service=files
wait_for 10 "it to be refused" says name "another user's"
as_nobody name --port=8085 --permanent --service=unheard
wait_for 10 "it to be refused" says name "no service .unheard. runs"
start_on laptop whose baton-serve --root="$sandbox/files" --port=8085 \
    --permanent --service=files
wait_for 10 "its user to have it" says whose ^address

say "a device's introductions"
for ((n = 0; n < 40; n++)); do
    ! try_move laptop "$session" nobody || fail "it moved to nobody"
    ! grep -q "begins more than 5 transfers a second" "$work/move.txt" ||
        break
done
[ $n -lt 40 ] || fail "never refused"
[ $n -ge 5 ] || fail "refused after $n"
wait_for 5 "it to be allowed again" try_move laptop "$session" tv
