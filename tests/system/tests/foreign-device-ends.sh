#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A7: a device's own tunnel when agent or controller is killed, or it roams.
# shellcheck source=tests/system/away.sh
. "$(dirname "$0")/../away.sh"

expect_disconnects
expect_log 'device_tunnel[^|]*\|WARN\|phone: no tunnel to br-home: policy lets'
away_up
make_file file 200000000

# goes_on: the download does.  TCP waits as long again as it was cut off.
goes_on() {
    wait_for 40 "bytes" file_has_bytes "$work/got-file" \
        $(($(stat -c %s "$work/got-file") + 1000000))
}

kill_agent() {
    local process
    process=$(cat "$sandbox/hosts/phone/baton-agentd.pid")
    kill -KILL "$process"
    wait_for 5 "the agent to end" process_ended "$process"
}

# tunnel_takes BYTES: the largest packet.
tunnel_takes() {
    on phone ip link show "$interface" | grep "mtu $1 "
}

is_owned() {
    on phone baton --no-headings --format=csv sessions | grep "^$session,.*here"
}

for family in 4 6; do
    say "IPv$family: the agent is killed while it has the session"
    serve_on laptop --family=$family
    slow_download file 4000000
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 1000000
    move laptop "$session" phone
    find_tunnel
    kill_agent
    goes_on
    "$sandbox_program" start "$sandbox" phone
    wait_for 10 "the session" is_owned
    goes_on
    assert_equal "$(on phone ip -br link show type vxlan | cut -d ' ' -f 1)" \
        "$interface" "the tunnel that was left"

    if [ $family = 4 ]; then
        say "its address changes"
        on phone ip addr add 10.8.13.5/24 dev eth0
        on phone ip addr del 10.8.13.2/24 dev eth0
        on phone ip addr replace 10.8.13.5/24 dev eth0
        on phone ip route replace default via 10.8.13.1
        roamed() {
            path_of "$session" | grep -F 10.8.13.5
        }
        wait_for 25 "the controller to see it" roamed
        goes_on
        on phone ip addr add 10.8.13.2/24 dev eth0
        on phone ip addr del 10.8.13.5/24 dev eth0
        on phone ip addr replace 10.8.13.2/24 dev eth0
        on phone ip route replace default via 10.8.13.1
        roamed() {
            path_of "$session" | grep -F 10.8.13.2
        }
        wait_for 25 "the controller to see it" roamed
        goes_on

        say "policy says that less fits into tunnels"
        sed -i 's|tunnel: {type: vxlan,|& mtu: 1460,|' \
            "$sandbox/controller/policy.yaml"
        on switch baton-ctl policy reload
        wait_for 10 "the smaller interface" tunnel_takes 1410
        goes_on
        goes_on
        wait_for 10 "the session" is_owned
    fi

    say "the controller is killed and started again"
    process=$(cat "$sandbox/controller/baton-controller.pid")
    kill -KILL "$process"
    wait_for 5 "the controller to end" process_ended "$process"
    "$sandbox_program" start "$sandbox" controller
    tunnelled() {
        path_of "$session" | grep -F "tunnel to the device"
    }
    wait_for 20 "its tunnel" tunnelled
    wait_for 20 "the laptop" on laptop baton devices
    wait_for 20 "the phone" on phone baton devices
    goes_on
    goes_on

    say "it is stopped: nothing is left; and started again"
    "$sandbox_program" stop "$sandbox" phone
    nothing_left phone || fail "left: $(cat "$work/wait.txt")"
    "$sandbox_program" start "$sandbox" phone
    wait_for 10 "the session" is_owned
    goes_on

    say "and home"
    move phone "$session" laptop
    goes_on
    hurry
    wait_exit 60 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    rm "$work/got-file"
    wait_for 10 "the phone's tunnel to go" nothing_left phone
    end_application laptop baton-serve
    wait_for 10 "the session to end" no_session laptop "$session"
done

say "the agent is killed, and then its application"
serve_on laptop
move laptop "$session" phone
kill_agent
end_application phone baton-serve
! nothing_left phone || fail "a killed agent takes nothing away"
"$sandbox_program" start "$sandbox" phone
wait_for 40 "the tunnel to go" nothing_left phone
end_application laptop baton-serve || true

say "policy lets its end be elsewhere only"
wait_for 15 "the phone to be reachable" phone_is_ready
serve_on laptop
sed -i 's|10.8.13.0/24|10.8.99.0/24|' "$sandbox/controller/policy.yaml"
on switch baton-ctl policy reload
! try_move laptop "$session" phone || fail "it was moved"
assert_match "$(cat "$work/move.txt")" \
    "policy lets it have no tunnel at $phone_address" "what the person is told"
wait_for 10 "the tunnel to go" nothing_left phone
