#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A16: a session is handed on through ten devices, home, and back through all.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

devices=(laptop tv phone car tablet desk radio watch kiosk server)
names=$(IFS=,; echo "${devices[*]}")
# A block for each.
"$sandbox_program" policy --devices="$names" |
    sed '/block: 28/s/28/29/' > "$work/policy.yaml"
sandbox_up --devices="$names" --policy="$work/policy.yaml"
make_file file 30000000
serve_on laptop
slow_download file 150000
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
at=laptop

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

say "as far as it may go, and home"
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
