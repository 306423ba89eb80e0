#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A13: the first device takes part in other sessions meanwhile and after.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

movable_up
make_file file 20000000
make_file other 10000000
make_file small 10
serve_on laptop
slow_download file 1000000
moving=$pid

# Sessions on the permanent address have nothing to do with Baton.
permanent=10.1.0.11
start_on laptop plain python3 -m http.server --bind $permanent \
    --directory "$sandbox/files" 9000
wait_for 10 "the other server" on correspondent \
    curl -sS -o /dev/null "http://$permanent:9000/small"
start_on correspondent other curl -sS --limit-rate 2M -o "$work/got-other" \
    "http://$permanent:9000/other"
other=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-other" 500000

for _ in 1 2; do
    move laptop "$session" tv
    # A new one, right after.
    assert_equal "$(on correspondent curl -sS \
        "http://$permanent:9000/small" | wc -c)" 10 "a new session"
    move tv "$session" laptop
done
move laptop "$session" tv
wait_exit 20 $other || fail "curl: $(cat "$work/other.err.txt")"
assert_same_bytes "$work/got-other" "$sandbox/files/other"
hurry
wait_exit 20 "$moving" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"

# And it opens a session of its own again.
serve_on laptop
download other
wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-other.err.txt")"
assert_same_bytes "$work/got-other" "$sandbox/files/other"

# Sessions that began on the permanent address themselves: one moves, another
# and new ones go on there, with a server that knows nothing of Baton.
end_application laptop baton-serve
wait_for 5 "its port to be free" free_port
make_file small 10
serve_mapped
start_on laptop echo socat UDP4-RECVFROM:9000,fork EXEC:cat
address=$permanent
rm "$work"/got-*
slow_download file 1000000
moving=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000
find_session laptop web-
moved=$session
address=$permanent
slow_download other 1000000
staying=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-other" 300000
for _ in 1 2; do
    move laptop "$moved" tv
    assert_equal "$(on correspondent curl -sS \
        "http://$permanent:8080/small" | wc -c)" 10 "a new session"
    assert_equal "$(echo hello | on correspondent socat -t 1 - \
        "UDP:$permanent:9000")" hello "datagrams"
    move tv "$moved" laptop
done
move laptop "$moved" tv
hurry
for pid in $moving $staying; do
    wait_exit 20 "$pid" || fail "curl: $(cat "$work"/curl-*.err.txt)"
done
assert_same_bytes "$work/got-file" "$sandbox/files/file"
assert_same_bytes "$work/got-other" "$sandbox/files/other"
