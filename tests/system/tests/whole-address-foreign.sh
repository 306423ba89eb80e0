#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A6: a device's own address moves to another subnet, and is woken from there.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"
# shellcheck source=tests/system/whole.sh
. "$test_dir/whole.sh"

faults_up --in-band --sites=2 --devices=laptop,tv@2
make_file file 60000000

for family in 4 6; do
    own=$(own_of $family)
    for far in correspondent outside; do
        say "IPv$family, $far: to the other site and home"
        wait_for 20 "laptop to have $own" bound laptop "$own"
        wait_for 20 "the controller to name it" has_own laptop "$own"
        wait_for 20 "tv to be registered" is_registered tv
        serve_on laptop --permanent --family=$family
        rm -f "$work/hurry" "$work/got-file"
        start_on $far curl bash -c "set -o pipefail
            curl -sS --fail http://$(in_url "$own"):8080/file |
            python3 $test_dir/throttle.py 300000 $work/hurry > $work/got-file"
        curl=$pid
        wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 100000
        move laptop "$own" tv
        wait_for 10 "laptop to sleep" has_own laptop "$own" asleep
        check_silence laptop "$own"
        size=$(stat -c %s "$work/got-file")
        wait_for 10 "bytes from tv" file_has_bytes "$work/got-file" \
            $((size + 200000))
        on laptop baton wake || fail "baton wake"
        ! process_ended "$curl" || fail "the download did not last"
        hurry
        wait_exit 60 "$curl" || fail "curl: $(cat "$work/curl.err.txt")"
        assert_same_bytes "$work/got-file" "$sandbox/files/file"
        end_application laptop baton-serve
        wait_for 10 "the application to end" no_programs laptop
    done

    say "IPv$family: the other site's device dies; the tunnel is closed to it"
    serve_on laptop --permanent --family=$family
    move laptop "$own" tv
    wait_for 10 "laptop to sleep" has_own laptop "$own" asleep
    kill_daemon tv
    on tv ip link set eth0 down
    warp controller 13000
    wait_for 15 "laptop to have $own again" bound laptop "$own"
    wait_for 10 "br-site2 to forget it" no_flows_for "$own" switch2
    end_application tv baton-serve
    on tv ip link set eth0 up
    on tv ip address replace 10.2.0.12/24 dev eth0
    on tv ip address replace fd00:2::12/64 dev eth0 nodad
    on tv ip route replace default via 10.2.0.1
    on tv ip -6 route replace default via fd00:2::1
    restart tv
done
