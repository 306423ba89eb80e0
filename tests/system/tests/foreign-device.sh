#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A7: a session moves to a device behind no bridge, by a tunnel of its own.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up --sites=2 --devices=laptop,tv@2,phone@0
make_file file 60000000

# What reaches the correspondent now comes from HOST.
receives_from() {
    local before
    wait_for 5 "the connection on $1" has_connections "$1" "$address" 1
    before=$(stat -c %s "$work/got-file")
    wait_for 10 "bytes from $1" file_has_bytes "$work/got-file" \
        $((before + 500000))
}

# Nothing of a tunnel is on HOST.
no_tunnel() {
    ! { on "$1" ip -br link show type vxlan
        on "$1" nft list tables
        on "$1" ip rule | grep -w "proto 183" | grep -v fwmark; } | grep .
}

tunnel_of() {
    on laptop baton --no-headings --format=csv devices | grep "^$1,"
}

# That it is attached nowhere is known after a second.
wait_for 15 "the phone to be reachable by a tunnel" \
    eval 'tunnel_of phone | grep -w ready'
for family in 4 6; do
    say "IPv$family"
    serve_on laptop --family=$family
    download file --limit-rate 6M
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 1000000
    move laptop "$session" phone
    receives_from phone
    move phone "$session" laptop
    receives_from laptop
    move laptop "$session" tv
    receives_from tv
    move tv "$session" phone
    receives_from phone
    move phone "$session" tv
    receives_from tv
    move tv "$session" laptop
    wait_exit 40 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    rm "$work/got-file"
    end_application laptop baton-serve
    wait_for 10 "the session to end" no_session laptop "$session"
    wait_for 10 "the phone's tunnel to go" no_tunnel phone
done
assert_equal "$(filtered)" 0 "packets that the router's filters dropped"
