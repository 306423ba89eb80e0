#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A7: a device's own tunnel takes nothing but from its home's, and gives as little.
# shellcheck source=tests/system/away.sh
. "$(dirname "$0")/../away.sh"

away_up
home=10.1.0.3 outside=10.9.0.2
if [ "$underlay" = ipv6 ]; then
    home=fd00:1::3 outside=fd00:9::2
fi

# forge HOST FROM TO VNI MAC INNER-SOURCE INNER-TARGET TEXT: a VXLAN packet
# with a datagram for port 7777 in it.
forge() {
    on "$1" python3 "$test_dir/forge-vxlan.py" "${@:2}"
}

# listen HOST ADDRESS NAME: for datagrams, to $work/NAME.txt.
listen() {
    start_on "$1" "$3" python3 -u -c '
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 7777))
print("listening")
while True:
    print(s.recv(2000).decode())' "$2"
    wait_for 5 "the listener on $1" grep -q listening "$work/$3.txt"
}

# drops CHAIN N: has the phone's filter counted N there?
drops() {
    [ "$(on phone nft list chain inet "$interface" "$1" |
        sed -n 's/.*counter packets \([0-9]*\) .*drop/\1/p')" = "$2" ]
}

violations() {
    on switch ovs-appctl -t "$sandbox/controller/baton-controller.ctl" \
        baton/show | python3 -c 'import json, sys
print(json.load(sys.stdin)["violations"])'
}

violations_are_more() {
    [ "$(violations)" -gt "$1" ]
}

for family in 4 6; do
    say "IPv$family: to the phone"
    far=10.1.0.2
    [ $family = 4 ] || far=fd00:1::2
    serve_on laptop --family=$family
    move laptop "$session" phone
    find_tunnel
    listen phone "$address" "phone$family"
    listener=$pid

    # Through the router, which lets it pass: the tunnel's end does not.
    forge outside $outside $phone_address "$vni" "$mac" $far "$address" outside
    wait_for 5 "the filter to count it" drops outer 1
    # The home bridge's address, but another identifier: nobody's.
    forge switch $home $phone_address $((vni ^ 1)) "$mac" $far "$address" vni
    # All that VXLAN looks at is right; it is for no session address.
    forge switch $home $phone_address "$vni" "$mac" $outside \
        $phone_address inner
    wait_for 5 "the filter to count it" drops inner 1
    # And this is what it cannot tell: it shows that the others were like it.
    forge switch $home $phone_address "$vni" "$mac" $far "$address" known
    wait_for 5 "the packet that is right" grep -qx known "$work/phone$family.txt"
    assert_equal "$(grep -vcE '^(listening|known)$' "$work/phone$family.txt")" \
        0 "what else came: $(cat "$work/phone$family.txt")"

    say "IPv$family: to its home, as if from the phone"
    listen correspondent $far "far$family"
    far_listener=$pid
    before=$(violations)
    forge outside $outside $home "$vni" 06:00:00:00:00:01 "$address" $far \
        outside
    wait_for 5 "the guard to see it" violations_are_more "$before"
    before=$(violations)
    forge phone $phone_address $home $((vni ^ 1)) 06:00:00:00:00:01 \
        "$address" $far vni
    wait_for 5 "the guard to see it" violations_are_more "$before"
    # The laptop's address is not the phone's to send from.
    before=$(violations)
    other=10.1.0.130
    [ $family = 4 ] || other=fd00:1::5e55:1
    [ "$other" != "$address" ] || other=${other%?}2
    forge phone $phone_address $home "$vni" 06:00:00:00:00:01 "$other" $far \
        other
    wait_for 5 "the guard to see it" violations_are_more "$before"
    forge phone $phone_address $home "$vni" 06:00:00:00:00:01 "$address" \
        $far known
    wait_for 5 "the packet that is right" grep -qx known "$work/far$family.txt"
    assert_equal "$(grep -vcE '^(listening|known)$' "$work/far$family.txt")" \
        0 "what else came: $(cat "$work/far$family.txt")"

    kill "$listener" "$far_listener"
    wait_exit 5 "$listener" || true
    wait_exit 5 "$far_listener" || true
    end_application phone baton-serve
    wait_for 10 "the session to end" no_session phone "$session"
    wait_for 10 "the phone's tunnel to go" nothing_left phone
done
