#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Issue 5: `baton-ctl detach' leaves a bridge as it was before Baton came.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

# What there is on bridge br-home, without what counts or ages.
dump() {
    on switch ovs-ofctl -O OpenFlow15 --no-stats dump-flows br-home
    on switch ovs-ofctl -O OpenFlow15 dump-groups br-home
    on switch ovs-ofctl -O OpenFlow15 dump-meters br-home
    on switch ovs-ofctl -O OpenFlow15 dump-tlv-map br-home
    on switch ovs-ofctl -O OpenFlow15 dump-ports-desc br-home
    for table in Bridge Port; do
        on switch ovs-vsctl --format=list --columns="$1" list "$table"
    done
    on switch ovs-vsctl --format=list \
        --columns=name,type,options,external_ids,other_config,ofport \
        list Interface
    on switch ovs-vsctl --format=list --columns=bridges,manager_options \
        list Open_vSwitch
    on switch ovs-vsctl list Controller
    on switch ovs-vsctl list Manager
}

save() {
    dump _uuid,name,external_ids,other_config > "$work/$1"
    on switch ovs-vsctl --format=list list Port | grep -v statistics \
        >> "$work/$1"
    on switch ovs-vsctl --format=list list Bridge >> "$work/$1"
}

# The operator's: a pipeline that Baton's table is a part of, a group, a meter
# and a port of the very name that policy has for the tunnel.
pipeline() {
    on switch ovs-ofctl -O OpenFlow15 add-group br-home \
        "group_id=7,type=all,bucket=output:LOCAL"
    on switch ovs-ofctl -O OpenFlow15 add-meter br-home \
        "meter=7,kbps,band=type=drop,rate=100000"
    on switch ovs-ofctl -O OpenFlow15 add-flows br-home - <<'FLOWS'
cookie=0x1,table=0,priority=50,dl_type=0x88cc,actions=drop
cookie=0x2,table=200,priority=50,ip,nw_dst=192.0.2.0/24,actions=meter:7,group:7
cookie=0x3,table=200,priority=0,actions=NORMAL
FLOWS
}

is_like() {
    save now
    diff "$work/$1" "$work/now"
}

for port in none operators; do
    say "before Baton, tunnel port: $port"
    sandbox_up --sites=2 --devices=laptop,tv@2 --no-tunnels
    "$sandbox_program" stop "$sandbox" controller
    on switch ovs-ofctl -O OpenFlow15 del-flows br-home
    on switch ovs-ofctl -O OpenFlow15 del-meters br-home
    if [ $port = operators ]; then
        on switch ovs-vsctl --no-wait add-port br-home baton-tun \
            tag=12 -- set interface baton-tun type=vxlan \
            options:remote_ip=192.0.2.9 options:key=9 \
            options:csum=true options:tos=4
    fi
    pipeline
    expect_disconnects
    save before
    # From the other bridge, in a tunnel that ends no more.
    expect_log 'tunnel\(.*receive tunnel port not found'

    "$sandbox_program" start "$sandbox" controller
    for site in br-home br-site2; do
        wait_for 20 "$site to be prepared" on switch \
            baton-ctl bridge prepare $site
    done
    find_port=$(on switch ovs-vsctl show)
    assert_match "$find_port" "remote_ip=flow" "the tunnel port"
    wait_for 10 "devices" on laptop baton sessions
    make_file file 1000000
    wait_for 30 "devices to be attached" bash -c "
        '$sandbox_program' exec '$sandbox' switch baton-ctl --format=csv \
            devices | grep -c 'true,br' | grep -q 2"
    serve_on laptop
    download file
    wait_exit 20 "$pid"
    move laptop "$session" tv

    say "it is refused while a session is away"
    if on switch baton-ctl detach br-home > "$work/refused.txt" 2>&1; then
        fail "detached"
    fi
    assert_match "$(cat "$work/refused.txt")" "1 moved .* --force" "refusal"
    assert_match "$(flows)" "$address" "the session's flows"

    say "it is brought home, and the bridge detached"
    move tv "$session" laptop
    on switch baton-ctl detach br-home
    wait_for 5 "the bridge to be as it was" is_like before
    assert_match "$(on switch baton-ctl show)" "detached" "show"
    on switch baton-ctl detach br-home
    on switch baton-ctl policy reload
    is_like before || fail "a reload attaches it"
    if try_move laptop "$session" tv; then
        fail "moved over a bridge that is detached"
    fi
    if on switch baton-ctl bridge prepare br-home; then
        fail "prepared a bridge that is detached"
    fi
    assert_no_match "$(on switch2 ovs-ofctl -O OpenFlow15 dump-flows \
        br-site2 | wc -l)" "^[01]$" "flows of the other bridge"

    say "it is attached again; what was is there"
    on switch baton-ctl attach br-home
    on switch baton-ctl attach br-home
    wait_for 20 "it to be prepared" on switch baton-ctl bridge prepare br-home
    wait_for 20 "a move" try_move laptop "$session" tv
    download file
    wait_exit 20 "$pid"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"

    say "by force"
    on switch baton-ctl detach --force br-home
    wait_for 5 "the bridge to be as it was" is_like before
    on switch baton-ctl attach br-home
    wait_for 20 "the session's flows" bash -c "
        '$sandbox_program' exec '$sandbox' switch ovs-ofctl -O OpenFlow15 \
            dump-flows br-home | grep -q '$address'"
    "$sandbox_program" down "$sandbox"
    rm -rf "$work"/serve-*.txt "$sandbox/controller/db"
done
