# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What tests of mapped sessions are written with, beside lib.sh: services that
# correspondents find at laptop's own addresses (baton-sandbox up
# --movable=laptop), and the sessions that the bridge makes of them.

# own_of FAMILY: laptop's address.
own_of() {
    if [ "$1" = 4 ]; then
        echo 10.1.0.11
    else
        echo fd00:1::11
    fi
}

# Every test begins with addresses to give.
movable_up() {
    sandbox_up --movable=laptop "$@"
    wait_for 10 "ready addresses" addresses_ready
}

addresses_ready() {
    [ "$(on laptop ovs-appctl -t "$sandbox/hosts/laptop/baton-agentd.ctl" \
        agent/show | sed -n 's/.*"ipv[46]_addresses_ready": *\([0-9]*\).*/\1/p' |
        sort -n | head -n 1)" -ge 16 ]
}

# serve_mapped: baton-serve on laptop, at its own addresses; sets 'pid'.
serve_mapped() {
    start_on laptop serve-mapped baton-serve --root="$sandbox/files" \
        --port=8080 --service=files --mapped "$@"
    wait_for 10 "baton-serve" grep -q ^listening "$work/serve-mapped.txt"
}

# find_mapped PATTERN: as find_session(), of those that laptop has mapped.
find_mapped() {
    find_session laptop " $1"
}

# find_mapped_of FAMILY: the same, of that family, with TCP.
find_mapped_of() {
    if [ "$1" = 4 ]; then
        find_mapped 'web-10\.'
    else
        find_mapped 'web-\[fd00'
    fi
}

# find_adopted: the newest that baton-serve has; sets 'session' and 'address'.
find_adopted() {
    wait_for 5 "a mapped session" grep ^mapped "$work/serve-mapped.txt"
    read -r _ _ address _ _ _ session _ < <(
        grep ^mapped "$work/serve-mapped.txt" | tail -n 1)
}

# mapped_flows ADDRESS: how many flows translate for a session address.
mapped_flows() {
    flows | grep -c "table=6,.*priority=500,.*$1" || true
}

no_mapped_flows() {
    [ "$(mapped_flows "$1")" = 0 ]
}

# Does nothing listen on the services' port at laptop?
free_port() {
    ! on laptop ss -H -tln | grep ":8080 "
}
