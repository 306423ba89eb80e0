#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A6: what wakes a device: the last session's end, release, death, a lease.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"
# shellcheck source=tests/system/whole.sh
. "$test_dir/whole.sh"

# A lease is of 10 s; the controller waits 2 more.
faults_up --in-band --devices=laptop,tv
expect_log 'NETDEV|netdev|bridge'
make_file file 60000000

# away: laptop's address is on tv, with a download.
away() {
    wait_for 20 "laptop to have $own" bound laptop "$own"
    wait_for 20 "the controller to know it" has_own laptop "$own"
    wait_for 20 "tv to be there" is_registered tv
    serve_on laptop --permanent --family=$family
    rm -f "$work/got-file"
    slow_download file 1000000
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 200000
    move laptop "$own" tv
    wait_for 10 "laptop to sleep" has_own laptop "$own" asleep
}

# awake: laptop has its address again; the download has ended.
awake() {
    wait_for 15 "laptop to have $own again" bound laptop "$own"
    wait_for 10 "the connection to be closed" process_ended "$pid"
    ! wait "$pid" 2> /dev/null || fail "the download cannot be whole"
    wait_for 20 "the controller to have it so" has_own laptop "$own"
    # It answers for it: a connection is refused by it.
    on correspondent curl -sS --max-time 5 -o /dev/null \
        "http://$(in_url "$own"):1/" 2> "$work/refused.txt" || true
    assert_match "$(cat "$work/refused.txt")" "refused|Couldn't" \
        "a connection with laptop"
}

for family in 4 6; do
    own=$(own_of $family)
    say "IPv$family: the last session ends"
    away
    end_application tv baton-serve
    awake
    wait_for 10 "tv to have let go of it" not_bound tv "$own"

    say "the target gives it back"
    away
    on tv baton release "$own" || fail "baton release"
    awake
    wait_for 10 "tv to have let go of it" not_bound tv "$own"

    say "the same while the agent that sleeps is dead"
    away
    kill_daemon laptop
    on tv baton release "$own" || fail "baton release"
    wait_for 10 "tv to have let go of it" not_bound tv "$own"
    restart laptop
    awake

    say "the target's host dies"
    away
    kill_daemon tv
    on tv ip link set eth0 down
    warp controller 11500
    has_own laptop "$own" asleep > /dev/null || fail "awake before the end"
    warp controller 1000
    awake
    # A host that was dead has lost the address before it speaks again.
    end_application tv baton-serve || true
    "$sandbox_program" start "$sandbox" tv
    warp tv 16000
    wait_for 10 "tv to hold nothing" not_bound tv "$own"
    on tv ip link set eth0 up
    on tv ip address replace 10.1.0.12/24 dev eth0
    on tv ip address replace fd00:1::12/64 dev eth0 nodad
    wait_for 20 "tv to be there again" has_own tv 10.1.0.12

    say "the target hears nothing of the controller, and stops by itself"
    away
    "$sandbox_program" stop "$sandbox" controller
    warp tv 9000
    bound tv "$own" > /dev/null || fail "the target let go too early"
    warp tv 1500
    wait_for 10 "tv to let go" not_bound tv "$own"
    "$sandbox_program" start "$sandbox" controller
    wait_for 30 "laptop to be registered" is_registered laptop
    has_own laptop "$own" asleep > /dev/null || fail "awake too early"
    warp controller 15000
    awake
done
