#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A6: a host that died with another's address, and is back, cannot claim it.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"
# shellcheck source=tests/system/whole.sh
. "$test_dir/whole.sh"

# A lease is of 10 s; the controller waits 2 more.
faults_up --in-band --devices=laptop,tv
expect_log 'NETDEV|netdev|bridge'

# believes MAC: the correspondent, asking anew, has the address there.
believes() {
    on correspondent ip neigh flush dev eth0
    on correspondent bash -c "exec 3<>/dev/tcp/$own/1" 2> /dev/null || true
    on correspondent ip neigh show "$own" dev eth0 | grep -F "$1"
}

for family in 4 6; do
    own=$(own_of $family)
    say "IPv$family: laptop's address is on tv, which dies with it"
    wait_for 20 "laptop to have $own" bound laptop "$own"
    wait_for 20 "the controller to know it" has_own laptop "$own"
    wait_for 20 "tv to be there" is_registered tv
    serve_on laptop --permanent --family=$family
    move laptop "$own" tv
    wait_for 10 "laptop to sleep" has_own laptop "$own" asleep
    kill_daemon tv
    on tv ip link set eth0 down
    warp controller 12500
    wait_for 15 "laptop to have $own again" bound laptop "$own"
    wait_for 20 "the controller to have it so" has_own laptop "$own"
    wait_for 20 "laptop to talk by it" \
        endpoint_is laptop "ssl:10.1.0.11:6655"

    say "tv is back, with the address, while laptop's agent is away"
    kill_daemon laptop
    wait_for 10 "the controller to have noticed" \
        endpoint_is laptop ""
    on tv ip link set eth0 up
    on tv ip address replace 10.1.0.12/24 dev eth0
    # Of IPv6 the interface has lost all; a host that was only cut off has not.
    [ $family = 4 ] || on tv ip address add "$own/128" dev eth0 nodad
    bound tv "$own" > /dev/null || fail "tv does not hold it"
    start_on correspondent claims tcpdump -i eth0 -nn -l --immediate-mode \
        ether src "$(mac_of tv)" and "not host 10.1.0.12"
    sniffer=$pid
    wait_for 5 "tcpdump" grep -q "listening on" "$work/claims.err.txt"
    for round in 1 2 3; do
        if [ $round = 3 ]; then
            say "a controller that was killed meanwhile still knows"
            mark_logs
            kill_daemon controller
            restart controller
            assert_logged controller "br-home: bridge is synchronised"
        fi
        believes "$(mac_of laptop)" > /dev/null ||
            fail "$own is not at laptop: $(on correspondent ip neigh)"
        on tv bash -c "echo claim | nc -u -w 1 -s $own \
            $([ $family = 4 ] && echo 10.1.0.2 || echo fd00:1::2) 9" || true
    done
    kill "$sniffer"
    wait "$sniffer" 2> /dev/null || true
    assert_equal "$(grep -F "$own" "$work/claims.txt")" "" "tv's claims"

    say "both agents are back, and tv lets go of it"
    on tv ip address replace fd00:1::12/64 dev eth0 nodad
    [ $family = 4 ] || on tv ip address del "$own/128" dev eth0
    restart tv
    restart laptop
    warp tv 16000
    wait_for 20 "tv to hold nothing" not_bound tv "$own"
    wait_for 20 "laptop to be there" is_registered laptop
    end_application laptop baton-serve 2> /dev/null || true
    end_application tv baton-serve 2> /dev/null || true
done
