#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The database's disk is full: moves are refused until there is room again.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

disk=$work/disk
mkdir "$disk"
mount -t tmpfs -o size=256k tmpfs "$disk" || skip "no tmpfs can be mounted"
unmount() {
    local status=$?
    "$sandbox_program" down "$sandbox" 2> /dev/null || true
    umount "$disk"
    exit_with $status
}
trap unmount EXIT

faults_up --db="embedded:$disk/db"
make_file file 6000000
serve_on laptop
move laptop "$session" tv
rest
download file --limit-rate 2M
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000

expect_log "cannot be written"
expect_log 'ovsdb_|\|log\||I/O error'
head -c 1000000 /dev/zero > "$disk/ballast" 2> /dev/null || true
trouble() {
    grep -E "the controller's database cannot be written: .*I/O error" \
        "$(controller_log)"
}
ended_or_trouble() {
    process_ended "$mover" || trouble
}
# The file's last page has some room left.
for n in $(seq 40); do
    begin_move "$owner" "$session" "$other"
    wait_for 10 "move $n to end, or trouble" ended_or_trouble
    ! trouble > /dev/null || break
    move_succeeds
    rest
done
wait_for 10 "the database to be full" trouble
say "full in move $n: $(trouble | sed 's/.*|ERR|//' | head -n 1)"
rm "$disk/ballast"
writable() {
    grep "the database can be written again" "$(controller_log)"
}
wait_for 10 "the database to be written again" writable
end_move 30 || true
rest
say "the asker: ${move_said:-(moved)}"
wait_exit 30 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
move "$owner" "$session" "$other"
rest
end_session
