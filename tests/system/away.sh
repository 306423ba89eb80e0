# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # What is set here is for the tests.
#
# For tests with a device that is behind no bridge: lib.sh, and besides

# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

underlay=${underlay:-ipv4}      # What a test may have set before.
phone_address=10.8.13.2         # As the sandbox gives the third device.
[ "$underlay" = ipv4 ] || phone_address=fd00:8:13::2

# away_up [OPTION...]: laptop at home, tv at the other site, phone behind
# nothing but the router, where it can be reached by a tunnel.
away_up() {
    sandbox_up --sites=2 --devices=laptop,tv@2,phone@0 --underlay="$underlay" "$@"
    # That it is attached nowhere is known after a second.
    wait_for 15 "the phone to be reachable" phone_is_ready
}

phone_is_ready() {
    on laptop baton --no-headings --format=csv devices | grep "^phone,.*,ready"
}

# nothing_left HOST: no tunnel, filter, rule, route or session address.
nothing_left() {
    local left
    left=$(
        on "$1" ip -br link show type vxlan
        on "$1" nft list tables
        { on "$1" ip rule; on "$1" ip -6 rule; } | grep "from .* lookup 30"
        { on "$1" ip route show table all proto 183
          on "$1" ip -6 route show table all proto 183; }
        on "$1" ip -br address | grep -E " (10\.1\.0\.|fd00:1:)"
    ) || true
    echo "$left"
    [ -z "$left" ]
}

# path_of SESSION: as its home sends.
path_of() {
    on switch baton-ctl --no-headings --format=csv sessions | grep "^$1,"
}

# The tunnel's interface on the phone: sets 'interface', 'vni' and 'mac'.
find_tunnel() {
    interface=$(on phone ip -br link show type vxlan | cut -d ' ' -f 1)
    [ -n "$interface" ] || fail "the phone has no tunnel"
    vni=$((16#${interface#baton-}))
    mac=$(on phone cat "/sys/class/net/$interface/address")
}
