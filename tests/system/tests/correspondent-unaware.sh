#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A11: the bridge maps a correspondent that knows only the permanent address.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

# Neither end is of ours.
movable_up
make_file file 20000000
start_on laptop server python3 -m http.server --bind :: \
    --directory "$sandbox/files" 8080
server=$pid
start_on laptop echo socat UDP6-RECVFROM:9000,fork EXEC:cat
wait_for 10 "the server" on laptop \
    curl -sS -o /dev/null http://10.1.0.11:8080/file
for family in 4 6; do
    permanent=$(own_of $family)
    address=$permanent
    slow_download file 500000
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 200000
    find_mapped web-
    [ "$address" != "$permanent" ] || fail "no session address was made"
    # The server's end is the session address, the correspondent's peer not.
    assert_connections laptop 1
    assert_equal "$(on correspondent ss -H -tn state established \
        dst "$(in_url "$permanent")" | wc -l)" 1 "what the correspondent sees"
    assert_equal "$(mapped_flows "$address")" 2 "flows of the session"
    hurry
    wait_exit 20 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    # It has seen both FINs.
    wait_for 20 "the session to end" no_mapped_flows "$address"
    wait_for 10 "the address to go" no_address laptop "$address"

    # Datagrams.
    assert_equal "$(echo hello | on correspondent socat -t 2 - \
        "UDP:$(in_url "$permanent"):9000")" hello "what came back"
    find_mapped echo-
done

# A service that is bound to the permanent address alone works as it did.
kill "$server"
start_on laptop bound python3 -m http.server --bind 10.1.0.11 \
    --directory "$sandbox/files" 8080
wait_for 10 "the server" on laptop \
    curl -sS -o /dev/null http://10.1.0.11:8080/file
on correspondent curl -sS --fail -o "$work/got" http://10.1.0.11:8080/file
assert_same_bytes "$work/got" "$sandbox/files/file"
grep -q "bound to the permanent address" \
    "$sandbox/controller/baton-controller.log" || fail "nothing is said of it"
