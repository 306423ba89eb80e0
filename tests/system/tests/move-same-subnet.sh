#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A1: a session has an address of its own; it moves and the target receives.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up
make_file file 60000000
serve_on laptop
[ "$address" != 10.1.0.11 ] || fail "it is the permanent address"

slow_download file 3000000
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 1000000
assert_connections laptop 1
move laptop "$session" tv
assert_connections laptop 0
assert_connections tv 1
find_session tv "$session"
has_session laptop "$session" >/dev/null && fail "laptop has it still"

# The correspondent's packets go to tv: it acknowledges what tv sends.
before=$(stat -c %s "$work/got-file")
wait_for 10 "bytes from tv" file_has_bytes "$work/got-file" \
    $((before + 1000000))
hurry
wait_exit 40 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
