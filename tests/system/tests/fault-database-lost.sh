#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The database killed at each step of a transfer, and away for a minute.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

database_up
faults_up --db="$database"
make_file file 6000000
serve_on laptop
move laptop "$session" tv
rest
move tv "$session" laptop
rest

refused_because() {
    local why=$1
    ! try_move "$owner" "$session" "$other" || fail "it moved"
    assert_match "$(cat "$work/move.txt")" "$why" "the reason"
}

can_move() {
    ! refuses
}

refuses() {
    on "$owner" baton --no-headings --format=csv move "$session" "$other" \
        2>&1 | grep -E "database"
}

# Killed while the controller stands still at that step, and started again
# while the transfer waits for its write.
for point in introduce prepare go claim flows written owned settled; do
    rm -f "$work/got-file"
    mark_logs
    download file --limit-rate 4M
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
    set_fault controller controller/$point stop
    begin_move "$owner" "$session" "$other"
    wait_stopped controller
    database_kill
    go_on controller
    database_start
    end_move 30 || true
    rest
    wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    say "the database killed at $point: $owner has it; the asker:" \
        "${move_said:-(moved)}"
    warp controller 10000
    wait_for 20 "moves to be possible again" can_move
    rest
done

# Away: what is there goes on, nothing new begins.
download file --limit-rate 2M
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
database_kill
for n in 1 2 3 4; do
    refused_because "the controller's database is away"
    warp controller 15000
done
say "refused: $(cat "$work/move.txt")"
before=$(stat -c %s "$work/got-file")
wait_for 10 "more bytes" file_has_bytes "$work/got-file" $((before + 500000))
database_start
warp controller 10000
wait_for 20 "moves to be possible again" can_move
rest
wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
end_session

# With no controller, what there is can be seen.
"$sandbox_program" stop "$sandbox" controller
seen=$(on switch baton-ctl --db="$database" --format=csv sessions)
assert_match "$seen" "$session,$address,.*,ended" "the database's sessions"
assert_match "$(on switch baton-ctl --db="$database" --format=csv show)" \
    "10.1.0.128/28,home4,br-home,laptop,leased" "the database's leases"

# The embedded one is started again when it ends.
database_kill
sed -i "s,^database=.*,database=embedded:$sandbox/controller/db," \
    "$sandbox/sandbox.conf"
expect_log 'ovsdb-server has ended; it is started again'
restart controller
wait_registered
serve_on laptop
kill -KILL "$(cat "$sandbox/controller/db/ovsdb-server.pid")"
assert_logged controller "it is started again"
owner=laptop other=tv
warp controller 10000
wait_for 20 "moves to be possible again" can_move
rest
end_session
