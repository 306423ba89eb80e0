#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A16: and back, any number of times, on TCP over IPv4 and IPv6.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up
make_file file 90000000
more_than() {
    file_has_bytes "$work/got-file" $(($1 + 1000000))
}

for option in --family=4 --family=6; do
    serve_on laptop $option
    slow_download file 3000000
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000
    for ((moves = 0; moves < 20; moves += 2)); do
        move laptop "$session" tv
        move tv "$session" laptop
        wait_for 10 "a megabyte more" more_than "$(stat -c %s "$work/got-file")"
    done
    ! process_ended "$pid" || fail "it was over after $moves moves"
    hurry
    wait_exit 40 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    rm "$work/got-file"
    end_application laptop baton-serve
    wait_for 10 "the session to end" no_session laptop "$session"
done
