#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A19: one of several sessions of a device moves, the others stay.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

movable_up
make_file a 20000000
make_file b 20000000
make_file c 20000000
for name in a b c; do
    serve_on laptop --name="$name"
    eval "session_$name=$session address_$name=$address"
    slow_download $name 1000000
    eval "curl_$name=$pid"
    wait_for 10 "the first bytes" file_has_bytes "$work/got-$name" 500000
done
for _ in 1 2 3; do
    # shellcheck disable=SC2154
    move laptop "$session_b" tv
    # shellcheck disable=SC2154
    for name in a c; do
        eval "address=\$address_$name"
        wait_for 5 "$name on laptop" has_connections laptop "$address" 1
        wait_for 5 "$name on tv" has_connections tv "$address" 0
    done
    # shellcheck disable=SC2154
    wait_for 5 "b on tv" has_connections tv "$address_b" 1
    move tv "$session_b" laptop
done
hurry
for name in a b c; do
    eval "pid=\$curl_$name"
    wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-$name.err.txt")"
    assert_same_bytes "$work/got-$name" "$sandbox/files/$name"
done

# The same of sessions that began on the permanent address.
end_application laptop baton-serve || true # Some may have ended.
wait_for 5 "its port to be free" free_port
serve_mapped
address=$(own_of 4)
permanent=$address
rm "$work"/got-*
for name in a b c; do
    slow_download $name 1000000
    eval "curl_$name=$pid"
    wait_for 10 "the first bytes" file_has_bytes "$work/got-$name" 300000
    find_adopted
    eval "session_$name=$session address_$name=$address"
    address=$permanent
done
# shellcheck disable=SC2154
if [ "$address_a" = "$address_b" ] || [ "$address_b" = "$address_c" ]; then
    fail "two sessions have one address"
fi
for _ in 1 2 3; do
    move laptop "$session_b" tv
    for name in a c; do
        eval "address=\$address_$name"
        wait_for 5 "$name on laptop" has_connections laptop "$address" 1
        wait_for 5 "$name on tv" has_connections tv "$address" 0
    done
    wait_for 5 "b on tv" has_connections tv "$address_b" 1
    wait_for 5 "b not on laptop" has_connections laptop "$address_b" 0
    # A new one, which is laptop's as ever.
    on correspondent curl -sS --fail -r 0-99 -o "$work/new" \
        "http://$permanent:8080/a"
    cmp -n 100 "$work/new" "$sandbox/files/a"
    move tv "$session_b" laptop
done
hurry
for name in a b c; do
    eval "pid=\$curl_$name"
    wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-$name.err.txt")"
    assert_same_bytes "$work/got-$name" "$sandbox/files/$name"
done
