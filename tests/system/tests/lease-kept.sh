#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A14: what keeps an address working at the target is kept for 48 hours.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"
# shellcheck source=tests/system/whole.sh
. "$test_dir/whole.sh"

# Blocks are leased for an hour, as is a permanent address elsewhere; security
# associations live as long.  Time goes on ten minutes at a step.
step=600000
"$sandbox_program" policy --in-band --devices=laptop,tv |
    sed -e 's/lease: 10}/lease: 3600}/' \
        -e 's/^    rest: 2/    rest: 2\n    lease: 3600/' > "$work/policy.yaml"
faults_up --in-band --devices=laptop,tv --policy="$work/policy.yaml"
expect_log 'no response to inactivity probe'
make_file file 60000000
make_file other 60000000

leases() {
    appctl controller baton/show | python3 -c '
import json, sys
for lease in sorted(json.load(sys.stdin)["leases"],
                    key=lambda lease: lease["block"]):
    print(lease["block"], lease["device"], lease["state"],
          "kept" if lease["seconds_left"] > 0 else "over")'
}

# epochs: of all sessions that have moved.
epochs() {
    on switch baton-ctl --target="$sandbox/controller/baton-controller.ctl" \
        --format=csv sessions | python3 -c '
import csv, sys
print(sorted((row["address"], row["owner"], row["epoch"])
             for row in csv.DictReader(sys.stdin) if row["epoch"] != "0"))'
}

wait_for 20 "laptop's own address" has_own laptop 10.1.0.11
serve_on laptop
slow_download file 100000
download_pid=$pid moved=$session moved_address=$address
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
move laptop "$moved" tv

wait_for 20 "laptop's own address" has_own laptop 10.1.0.11
start_on laptop serve-own baton-serve --root="$sandbox/files" --port=8080 \
    --service=files --permanent
wait_for 10 "its address" grep -q ^address "$work/serve-own.txt"
address=10.1.0.11
start_on correspondent curl-other bash -c "set -o pipefail
    curl -sS --fail http://10.1.0.11:8080/other |
    python3 $test_dir/throttle.py 100000 $work/hurry > $work/got-other"
other_pid=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-other" 100000
move laptop 10.1.0.11 tv
wait_for 10 "laptop to sleep" has_own laptop 10.1.0.11 asleep

before=$(leases)
before_epochs=$(epochs)
say "$before_epochs"
say "$before"

# Each has heard from the controller since its clock went on.
settled() {
    local device
    for device in laptop tv; do
        on $device baton devices | grep ' true ' || return 1
    done
}

say "48 hours"
for ((hours = 0; hours < 48; hours++)); do
    for ((i = 0; i < 3600000; i += step)); do
        for daemon in controller laptop tv; do
            warp $daemon $step
        done
        wait_for 20 "the devices to go on" settled
    done
    assert_equal "$(epochs)" "$before_epochs" "who has what after $hours h"
done
say "are over"
assert_equal "$(leases)" "$before" "the leases"
for name in file other; do
    size=$(stat -c %s "$work/got-$name")
    wait_for 10 "more bytes of $name" \
        file_has_bytes "$work/got-$name" $((size + 100000))
done
wait_for 10 "tv to have them" bound tv 10.1.0.11
bound tv "$moved_address" > /dev/null || fail "$moved_address is not on tv"

say "home"
move tv "$moved" laptop
on laptop baton wake || fail "baton wake"
hurry
wait_exit 60 "$download_pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
wait_exit 60 "$other_pid" || fail "curl: $(cat "$work/curl-other.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
assert_same_bytes "$work/got-other" "$sandbox/files/other"
