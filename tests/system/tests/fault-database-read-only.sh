#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A database that cannot be written: the controller says so and changes nothing.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

disk=$work/disk
mkdir "$disk"
mount -t tmpfs -o size=4m tmpfs "$disk" || skip "no tmpfs can be mounted"
unmount() {
    local status=$?
    "$sandbox_program" down "$sandbox" 2> /dev/null || true
    umount "$disk"
    exit_with $status
}
trap unmount EXIT

# starts_not WHY: the controller does not start, says WHY, and leaves
# everything as it was.
starts_not() {
    local before status=0
    before=$(find "$disk" -type f -exec sha256sum {} + | sort)
    "$sandbox_program" start "$sandbox" controller > "$work/start.txt" 2>&1 ||
        status=$?
    sed 's/^/    /' "$work/start.txt"
    [ $status != 0 ] || fail "it starts"
    assert_match "$(cat "$work/start.txt")" "$1" "what it says"
    assert_equal "$(find "$disk" -type f -exec sha256sum {} + | sort)" \
        "$before" "the files"
}

faults_up --db="embedded:$disk/db"
make_file file 6000000
serve_on laptop
move laptop "$session" tv
rest
download file --limit-rate 2M
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
"$sandbox_program" stop "$sandbox" controller
expect_log "db/baton.db|$disk/db"

say "the file system is read-only"
mount -o remount,ro "$disk"
starts_not "$disk/db.*[Rr]ead-only file system"
mount -o remount,rw "$disk"

say "it is not, and the controller starts"
restart controller
wait_registered
rest
assert_equal "$owner" tv "who has it"
wait_exit 30 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
move "$owner" "$session" "$other"
rest
end_session

say "a new database cannot be made"
"$sandbox_program" stop "$sandbox" controller
rm "$disk/db/baton.db"
mount -o remount,ro "$disk"
starts_not "$disk/db.*[Rr]ead-only file system"
