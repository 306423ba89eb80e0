#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A10: a session that began on the permanent address gets its own, and moves.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

movable_up
make_file file 40000000
serve_mapped
for family in 4 6; do
    address=$(own_of $family)
    slow_download file 2000000
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000
    find_session laptop web-
    assert_no_match "$address" "$(own_of $family)\$" "the session's address"
    for _ in 1 2 3; do
        move laptop "$session" tv
        wait_for 5 "its connection on tv" has_connections tv "$address" 1
        wait_for 5 "none on laptop" has_connections laptop "$address" 0
        move tv "$session" laptop
    done
    move laptop "$session" tv
    hurry
    wait_exit 20 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    wait_for 10 "its flows to go" no_mapped_flows "$address"
done
