#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Issue 5: beside an operator's pipeline, on access ports and tagged trunks.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

# The operator's tables are 0, 1 and 60; Baton's are from 20 on.
"$sandbox_program" policy |
    sed 's/^    subnets: .*/&\n    first-table: 20\n    forward-table: 60/
         s/port: p-tv/port: trunk-tv/' > "$work/policy.yaml"
sandbox_up --policy="$work/policy.yaml"

ofctl() {
    local command=$1 bridge=$2
    shift 2
    on switch ovs-ofctl -O OpenFlow15 "$command" "$bridge" "$@"
}

# HOST is on an access port of another bridge, at the other end of a trunk.
put_behind_trunk() {
    on switch ovs-vsctl --if-exists del-port "p-$1" \
        -- add-br "br-$1" -- set bridge "br-$1" datapath_type=netdev \
        -- add-port "br-$1" "p-$1" tag=10 \
        -- add-port "br-$1" "up-$1" trunks=10 \
        -- set interface "up-$1" type=patch "options:peer=trunk-$1" \
        -- add-port br-home "trunk-$1" trunks=10 \
        -- set interface "trunk-$1" type=patch "options:peer=up-$1"
}

# What the operator has, with what it counted if $1 is --stats.
operators() {
    ofctl dump-flows br-home "${@:---no-stats}" | grep 'cookie=0xc0[0-9],'
}

# counted COOKIE: packets.
counted() {
    ofctl dump-flows br-home | sed -n "s/.*cookie=$1,.*n_packets=\([0-9]*\).*/\1/p"
}

# port HOST is attached by, as the controller has seen it proved.
is_attached() {
    on switch baton-ctl --format=csv devices | grep "^$1,.*br-home.*$2"
}

say "the operator's network: laptop on an access port, the others behind trunks"
put_behind_trunk tv
put_behind_trunk correspondent
on switch ovs-vsctl set port p-laptop tag=10
ofctl add-flows br-home - <<'FLOWS'
cookie=0xc00,table=0,priority=50,dl_type=0x88cc,actions=drop
cookie=0xc01,table=0,priority=0,actions=goto_table:1
cookie=0xc02,table=1,priority=10,ip,nw_dst=192.0.2.0/24,actions=drop
cookie=0xc03,table=1,priority=0,actions=goto_table:20
cookie=0xc04,table=60,priority=10,dl_vlan=20,actions=drop
cookie=0xc05,table=60,priority=0,actions=NORMAL
FLOWS
operators > "$work/before"
assert_equal "$(wc -l < "$work/before")" 6 "the operator's flows"
wait_for 30 "laptop to be attached" is_attached laptop p-laptop
wait_for 30 "tv to be attached" is_attached tv trunk-tv
on correspondent ip route add 192.0.2.0/24 dev eth0
on correspondent ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev eth0
on correspondent bash -c "echo > /dev/udp/192.0.2.1/9"

make_file file 30000000
for family in 4 6; do
    say "access port to trunk and back, IPv$family"
    serve_on laptop --family=$family
    rm -f "$work/got-file"
    slow_download file 3000000
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 1000000
    move laptop "$session" tv
    before=$(stat -c %s "$work/got-file")
    wait_for 10 "bytes from tv" file_has_bytes "$work/got-file" \
        $((before + 1000000))
    assert_match "$(flows | grep -F "$address")" "dl_vlan=10" "the guard"

    say "the bridge answers for the session, in its VLAN"
    on correspondent ip neigh flush dev eth0
    before=$(stat -c %s "$work/got-file")
    wait_for 10 "bytes with a fresh neighbour" file_has_bytes \
        "$work/got-file" $((before + 1000000))
    neighbour=$(on correspondent ip neigh show "$address")
    assert_match "$neighbour" "lladdr" "the neighbour"

    move tv "$session" laptop
    before=$(stat -c %s "$work/got-file")
    wait_for 10 "bytes from laptop" file_has_bytes "$work/got-file" \
        $((before + 1000000))
    move laptop "$session" tv
    if [ $family = 4 ]; then
        say "a controller that starts knows the VLAN before tv is back"
        expect_disconnects
        flows | grep -F "$address" | grep -o 'dl_vlan=.*' | sort \
            > "$work/guard"
        "$sandbox_program" stop "$sandbox" tv
        "$sandbox_program" stop "$sandbox" controller
        "$sandbox_program" start "$sandbox" controller
        wait_for 10 "the bridge to be synchronised" bash -c \
            "'$sandbox_program' exec '$sandbox' switch baton-ctl --format=csv \
                show | grep -q '^br-home,.*,true,true,'"
        flows | grep -F "$address" | grep -o 'dl_vlan=.*' | sort |
            diff "$work/guard" - || fail "the guard after a restart"
        "$sandbox_program" start "$sandbox" tv
        wait_for 20 "tv to be attached" is_attached tv trunk-tv
    fi
    hurry
    wait_exit 40 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
done

say "the operator's flows are untouched, and count"
operators > "$work/after"
diff "$work/before" "$work/after" || fail "the operator's flows"
for cookie in 0xc01 0xc02 0xc03 0xc05; do
    [ "$(counted $cookie)" -gt 0 ] || fail "flow $cookie has counted nothing"
done
ofctl dump-flows br-home --no-stats | grep -v 'cookie=0xc0[0-9],' |
    sed -n 's/.*table=\([0-9]*\).*/\1/p' | sort -un > "$work/tables"
[ "$(head -n 1 "$work/tables")" -ge 20 ] || fail "Baton is in table 0 or 1"
! grep -qx 60 "$work/tables" || fail "Baton is in table 60"

say "detached, they are all that is left"
if on switch baton-ctl detach br-home 2> /dev/null; then
    fail "detached with a session away"
fi
on switch baton-ctl detach --force br-home
operators > "$work/after"
diff "$work/before" "$work/after" || fail "the operator's flows"
assert_equal "$(ofctl dump-flows br-home --no-stats | grep -c actions)" 6 \
    "flows"
