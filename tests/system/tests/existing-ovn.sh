#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Issue 5: on the bridge that an OVN localnet port leads to: a workload's session.
# shellcheck source=tests/system/roam.sh
. "$(dirname "$0")/../roam.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

# $OVN_ROOT: where Debian's ovn-central, ovn-host and ovn-common were unpacked,
# if they are not installed.
ovn=${OVN_ROOT:-}
PATH=$ovn/usr/bin:$PATH
for program in ovn-controller ovn-northd ovn-nbctl ovsdb-server ovsdb-tool; do
    command -v $program > /dev/null || skip "there is no $program"
done
schemas=$ovn/usr/share/ovn
[ -e "$schemas/ovn-nb.ovsschema" ] || skip "there is no $schemas/ovn-nb.ovsschema"

# database nb|sb
database() {
    ovsdb-tool create "$work/$1.db" "$schemas/ovn-$1.ovsschema"
    start_on switch "$1-db" ovsdb-server --no-chdir \
        --remote="punix:$work/$1.sock" --unixctl="$work/$1.ctl" "$work/$1.db"
    wait_for 10 "OVN's $1 database" test -S "$work/$1.sock"
}

nbctl() {
    ovn-nbctl --db="unix:$work/nb.sock" --timeout=20 "$@"
}

flows_of_ovn() {
    on switch ovs-ofctl -O OpenFlow15 --no-stats dump-flows br-int
}

# br-int's flows are there, for the workload's port too.
ovn_is_ready() {
    [ "$(nbctl --bare --columns=up find logical_switch_port name=laptop)" \
        = true ] && flows_of_ovn | grep -q 'table=65,.*output'
}

roam_up --devices=laptop,tv --movable=laptop
at_site[laptop]=1 at_site[tv]=1
wait_for 10 "ready addresses" addresses_ready

say "OVN: laptop is a workload on br-int, br-home the provider's bridge"
mac=$(mac_of laptop)
database nb
database sb
start_on switch northd ovn-northd --no-chdir --ovnnb-db="unix:$work/nb.sock" \
    --ovnsb-db="unix:$work/sb.sock" --unixctl="$work/northd.ctl"
nbctl -- ls-add net \
    -- lsp-add net laptop -- lsp-set-addresses laptop "$mac" unknown \
    -- lsp-add net provider -- lsp-set-type provider localnet \
    -- lsp-set-addresses provider unknown \
    -- lsp-set-options provider network_name=physical
vsctl 1 set open_vswitch . external-ids:system-id=chassis \
    "external-ids:ovn-remote=unix:$work/sb.sock" \
    external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=127.0.0.1 \
    external-ids:ovn-bridge-datapath-type=netdev \
    external-ids:ovn-bridge-mappings=physical:br-home
start_on switch ovn-controller env OVN_RUNDIR="$work" ovn-controller \
    --no-chdir "unix:$sandbox/ovs/db.sock"
ovn_controller=$pid
pull laptop
wait_for 20 "br-int" vsctl 1 br-exists br-int
ip -n "$(netns_of switch)" link set p-laptop up
vsctl 1 add-port br-int p-laptop \
    -- set interface p-laptop external-ids:iface-id=laptop
wait_for 20 "OVN's flows" ovn_is_ready
# patch-provider-to-br-int: OpenFlow has room for 15 characters.
wait_for 20 "laptop to be attached, through OVN" \
    is_placed laptop 1 patch-provider-

make_file file 30000000
serve_mapped
flows_of_ovn | sort > "$work/before"
for family in 4 6; do
    say "a session that begins on the workload's permanent address"
    address=$(own_of $family)
    slow_download file 1000000
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000
    find_mapped_of $family
    assert_equal "$(mapped_flows "$address")" 2 "flows that translate"
    for _ in 1 2; do
        move laptop "$session" tv
        more_bytes file
        move tv "$session" laptop
        more_bytes file
    done
    hurry
    wait_exit 30 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    rm "$work/got-file"
    wait_for 20 "the session to end" no_mapped_flows "$address"
done

say "OVN computes all of its flows again: neither disturbs the other"
ovn-appctl -t "$work/ovn-controller.$ovn_controller.ctl" inc-engine/recompute
assert_equal "$(flows_of_ovn | sort | diff "$work/before" - | wc -l)" 0 \
    "changes of OVN's flows"
assert_equal "$(on correspondent curl -sS http://10.1.0.11:8080/file | wc -c)" \
    30000000 "afterwards"
