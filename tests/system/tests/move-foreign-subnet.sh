#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A7: a session moves to devices on other subnets, tunnelled from its home.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up --sites=3 --devices=laptop,tv@2,car@3
make_file file 60000000

# Where the session's packets go, by the flows of its home.
goes_to() {
    flows | grep -F "$address" | grep -q "set_field:$1->tun_dst"
}

# What reaches the correspondent now comes from HOST.
receives_from() {
    local before
    wait_for 5 "the connection on $1" has_connections "$1" "$address" 1
    before=$(stat -c %s "$work/got-file")
    wait_for 10 "bytes from $1" file_has_bytes "$work/got-file" \
        $((before + 500000))
}

for family in 4 6; do
    for far in correspondent outside; do
        say "IPv$family, $far"
        serve_on laptop --family=$family
        start_on $far curl curl -sS --fail --limit-rate 8M \
            -o "$work/got-file" "http://$(in_url "$address"):8080/file"
        curl=$pid
        wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 1000000

        move laptop "$session" tv
        receives_from tv
        goes_to 10.2.0.3 || fail "its home does not send to tv's bridge"
        assert_match "$(on tv ip -6 rule; on tv ip rule)" "from $address" \
            "its way out of tv"

        # Straight to the third site, and nothing left at the second.
        move tv "$session" car
        receives_from car
        goes_to 10.3.0.3 || fail "its home does not send to car's bridge"
        wait_for 10 "br-site2 to forget it" no_flows_for "$address" switch2
        wait_for 10 "tv's route to go" no_rule tv "$address"

        move car "$session" laptop
        receives_from laptop
        wait_for 10 "br-site3 to forget it" no_flows_for "$address" switch3
        move laptop "$session" car
        move car "$session" tv
        move tv "$session" laptop
        wait_exit 40 "$curl" || fail "curl: $(cat "$work/curl.err.txt")"
        assert_same_bytes "$work/got-file" "$sandbox/files/file"
        rm "$work/got-file"
        end_application laptop baton-serve
        wait_for 10 "the session to end" no_session laptop "$session"
    done
done
say "a device that had a session may not send from its address any more"
serve_on laptop
move laptop "$session" tv
move tv "$session" laptop
wait_for 10 "br-site2 to forget it" no_flows_for "$address" switch2
on tv ip addr add "$address/32" dev lo
on tv bash -c "echo spoofed | nc -u -w 1 -s $address 10.9.0.2 9" || true
on tv ip addr del "$address/32" dev lo
assert_equal "$(filtered)" 0 "packets that the router's filters dropped"
