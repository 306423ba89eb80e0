#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A20: many devices, and restarts of the controller: no address is given twice.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

devices=(d1 d2 d3 d4 d5 d6)
# Small blocks that all can be leased, and a rest that outlasts the test.
"$sandbox_program" policy --devices="$(IFS=,; echo "${devices[*]}")" |
    sed 's/block: 28/block: 30/; s/rest: 2/rest: 600/
        s,10.1.0.128/25,10.1.0.128/26,' > "$work/policy.yaml"
expect_log "no block is left"
faults_up --policy="$work/policy.yaml" \
    --devices="$(IFS=,; echo "${devices[*]}")"
make_file file 1000

# open_on DEVICE: another session there; its address goes to $work/addresses.
# Fails if there is none left.
opened=0
open_on() {
    local name=serve-$opened
    opened=$((opened + 1))
    start_on "$1" "$name" baton-serve --root="$sandbox/files" --port=8080 \
        --service=files
    wait_for 15 "a session on $1, or none left" said_something "$name"
    grep -q ^address "$work/$name.txt" || return 1
    read -r _ address _ _ _ session < "$work/$name.txt"
    echo "$address" >> "$work/addresses"
}

said_something() {
    grep -q ^address "$work/$1.txt" || [ -s "$work/$1.err.txt" ]
}

# leases: BLOCK DEVICE STATE a line.
leases() {
    on switch baton-ctl --format=csv --no-headings show |
        sed -n 's,^"*\([0-9a-f.:]*/[0-9]*\)"*\,[^,]*\,[^,]*\,\([^,]*\)\,\([^,]*\)\,.*,\1 \2 \3,p'
}

one_lessee() {
    local twice
    twice=$(leases | cut -d ' ' -f 1 | sort | uniq -d)
    [ -z "$twice" ] || fail "blocks leased twice: $twice"
}

killed=0
kill_controller() {
    warp_agents
    kill_daemon controller
    restart controller
    wait_registered
    killed=$((killed + 1))
}

warp_agents() {
    local device
    for device in "${devices[@]}"; do
        warp "$device" 10000
    done
}

# Each device opens, some move, some end; the controller is killed between.
for device in "${devices[@]}"; do
    open_on "$device" || fail "no address for the first session of $device"
    one_lessee
done
open_on d1
move d1 "$session" d2
moved=$session moved_address=$address
kill_controller
leases > "$work/leases.txt"
one_lessee
say "after a kill: $(wc -l < "$work/leases.txt") blocks," \
    "$(cut -d ' ' -f 2 "$work/leases.txt" | sort -u | wc -l) lessees"
for device in "${devices[@]}"; do
    open_on "$device" || say "none left for $device"
    one_lessee
done

# The one that moved ends: its address rests, over a restart too.
end_application d2 baton-serve
wait_for 10 "the session to end" no_session d2 "$moved"
rested() {
    on switch ovsdb-client --no-headings -f csv dump \
        "unix:$sandbox/controller/db/db.sock" Session ended address |
        grep -F "$moved_address" | grep -qv ',0$'
}
wait_for 10 "its end to be written" rested
kill_controller
for n in 1 2 3 4 5 6; do
    for device in d1 d2; do
        open_on $device || true
    done
done

# Lives at a time: of all that was ever given, nothing came twice.
sort "$work/addresses" | uniq -d > "$work/twice.txt"
[ ! -s "$work/twice.txt" ] ||
    fail "given twice: $(tr '\n' ' ' < "$work/twice.txt")"
say "$(wc -l < "$work/addresses") sessions on as many addresses," \
    "$killed kills of the controller"
