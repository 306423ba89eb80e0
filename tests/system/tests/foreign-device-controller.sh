#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A14: a controller that was killed knows the tunnels straight to devices.
# shellcheck source=tests/system/away.sh
. "$(dirname "$0")/../away.sh"
# shellcheck source=tests/system/over-restart.sh
. "$(dirname "$0")/../over-restart.sh"

expect_disconnects
away_up
make_file file 60000000

no_tunnel() {
    ! ovsdb-client --format=csv dump "unix:$sandbox/controller/db/db.sock" \
        Baton Tunnel | grep phone
}

tunnel_is_used() {
    ! no_tunnel || return
    path_of "$session" | grep -F "tunnel to the device at $phone_address"
}

for family in 4 6; do
    say "IPv$family"
    go_over_restart $family phone tunnel_is_used
    wait_for 10 "the phone's tunnel to go" nothing_left phone
done
assert_equal "$(grep -c 'reached through a tunnel of its own' \
    "$sandbox/controller/baton-controller.log")" 2 "tunnels that were new"
wait_for 5 "the database to forget them" no_tunnel
