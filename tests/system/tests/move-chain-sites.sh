#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A16: the same over three sites, from one to another at each move.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

devices=(laptop tv phone car tablet desk radio watch kiosk server)
where=laptop,tv@2,phone@3,car,tablet@2,desk@3,radio,watch@2,kiosk@3,server
sandbox_up --sites=3 --devices=$where
make_file file 30000000

# pass_to DEVICE [OPTION...]
pass_to() {
    local device
    move "$at" "$session" "$1" "${@:2}"
    at=$1
    for device in "${devices[@]}"; do
        assert_connections "$device" \
            "$([ "$device" = "$at" ] && echo 1 || echo 0)"
    done
}

for family in 4 6; do
    serve_on laptop --family=$family
    slow_download file 150000
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
    at=laptop
    say "IPv$family: as far as it may go, and home"
    pass_to tv --onward=any:8
    for device in "${devices[@]:2}"; do
        pass_to "$device"
    done
    pass_to laptop

    say "there, and back the same way"
    pass_to tv --onward=any
    for device in "${devices[@]:2}"; do
        pass_to "$device"
    done
    for ((i = ${#devices[@]} - 2; i >= 0; i--)); do
        pass_to "${devices[i]}"
    done
    ! process_ended "$pid" || fail "the download did not last"
    hurry
    wait_exit 60 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    rm "$work/got-file"
    end_application laptop baton-serve
    wait_for 10 "the session to end" no_session laptop "$session"
done
assert_equal "$(filtered)" 0 "packets that the router's filters dropped"
