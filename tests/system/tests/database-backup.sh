#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The database is backed up, lost and restored, with a moved session in place.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

faults_up
db=$sandbox/controller/db
make_file file 6000000
serve_on laptop
move laptop "$session" tv
rest
download file --limit-rate 2M
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
ovsdb-client backup "unix:$db/db.sock" Baton > "$work/backup.db"

# The whole directory is lost; the backup is a database file.
"$sandbox_program" stop "$sandbox" controller
rm -rf "$db"
mkdir -m 700 "$db"
cp "$work/backup.db" "$db/baton.db"
mark_logs
restart controller
wait_registered
assert_logged controller "1 moved sessions"
assert_logged controller "br-home: [0-9]+ flows wanted, 0 flow-mods to send"
rest
assert_equal "$owner" tv "the owner after the restore"
move tv "$session" laptop
rest

# Into the server that runs: every row has another id then.  The controller
# puts that right, and begins anew with what there is.
ovsdb-client backup "unix:$db/db.sock" Baton > "$work/backup2.db"
expect_log "the database was restored"
expect_log "devices and bridges are left alone"
mark_logs
warp laptop 10000
warp tv 10000
ovsdb-client restore "unix:$db/db.sock" Baton < "$work/backup2.db"
wait_registered
assert_logged controller "[0-9]+ sessions get their own ids"
assert_logged controller "br-home: [0-9]+ flows wanted, 0 flow-mods to send"
rest
move laptop "$session" tv
rest
wait_exit 30 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"

# A damaged file is not used, and not touched.
"$sandbox_program" stop "$sandbox" controller
cp "$db/baton.db" "$work/good.db"
size=$(stat -c %s "$db/baton.db")
printf 'x' | dd of="$db/baton.db" bs=1 seek=$((size / 3)) conv=notrunc \
    status=none
damaged=$(sha256 "$db/baton.db")
expect_log "damaged at byte"
! "$sandbox_program" start "$sandbox" controller > "$work/start.txt" 2>&1 ||
    fail "it started on a damaged file"
assert_match "$(cat "$work/start.txt")" "damaged at byte [0-9]+ of $size" \
    "what it says"
assert_equal "$(sha256 "$db/baton.db")" "$damaged" "the damaged file"
say "$(grep damaged "$work/start.txt")"

# What was being written when the power failed is left out.
head -c $((size - 5)) "$work/good.db" > "$db/baton.db"
expect_log "was never finished and is left out"
restart controller
wait_registered
[ -e "$(echo "$db"/baton.db.unfinished-*)" ] || fail "no copy of the file"

# Without any database: the switch knows a later generation than a new one has.
"$sandbox_program" stop "$sandbox" controller
rm -rf "$db"
expect_log "a later controller is its master"
expect_log "a switch knows a later generation"
expect_log "devices and bridges are left alone"
mark_logs
restart controller
wait_registered
assert_logged controller "this controller leads, generation 100[0-9]"
assert_logged controller "br-home: bridge is synchronised"
