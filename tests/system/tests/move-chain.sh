#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A16: a session is handed on from device to device.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up --devices=laptop,tv,phone,car
make_file file 30000000
serve_on laptop
slow_download file 1000000
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000
at=laptop
for next in tv phone car laptop phone tv laptop; do
    move $at "$session" $next
    at=$next
    for device in laptop tv phone car; do
        assert_connections $device \
            "$([ $device = $at ] && echo 1 || echo 0)"
    done
done
hurry
wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
