#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A7: a device goes to another site and keeps its sessions, by tunnel and home.
# shellcheck source=tests/system/roam.sh
. "$(dirname "$0")/../roam.sh"

roam_up --sites=3 --devices=laptop,tv@2
at_site[laptop]=1 at_site[tv]=2
expect_disconnects
make_file file 160000000

# The route that the session's packets leave by, on HOST.
way_out() {
    on "$1" ip route get 10.9.0.2 from "$address" | tr '\n' ' '
}

leaves_by_tunnel() {
    way_out "$1" | grep -q "via 169.254.186.112.*mtu 1450"
}

leaves_as_others() {
    ! leaves_by_tunnel "$1"
}

# device_row HOST DEVICE: what a person at HOST is shown of it.
device_row() {
    on "$1" baton --format=json devices | python3 -c '
import json, sys
table = json.load(sys.stdin)
for row in table["data"]:
    row = dict(zip(table["headings"], row))
    if row["name"] == sys.argv[1]:
        print(*[row[name] for name in ("connected", "bridge", "port", "site",
                                       "path", "moved")])' "$2"
}

udp_family=6
udp_up laptop
start_on tv udp-tv baton-stream --service=stream --accept --gap=40000 \
    --rate=$udp_rate
udp_pids+=("$pid")
move laptop "$udp_session" tv
serve_on laptop
slow_download file 1000000
curl=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000

say "one that came from another device: to a third site, to its home, back"
move laptop "$session" tv
more_bytes file
path_is 'tunnel to br-site2, port p-tv' || fail "the path that is shown"
assert_match "$(device_row laptop tv)" \
    "True br-site2 p-tv .*10.2.0.0/24.* tunnel to br-site2, port p-tv .*$address: tunnel to br-site2, port p-tv" \
    "what laptop is shown"
assert_match "$(device_row tv laptop)" "direct|tunnel to br-home, port p-laptop" \
    "what tv is shown"
trace=$(on switch baton-ctl \
    --target="$sandbox/controller/baton-controller.ctl" trace "$address")
assert_match "$trace" "correspondent: br-home: port baton-tun, tunnel to br-site2 at 10.2.0.3, key [0-9]+; br-site2: port p-tv$" \
    "the way of a packet to it"
assert_match "$trace" "sent by tv: br-site2: port baton-tun, tunnel to br-home at 10.1.0.3, key [0-9]+; br-home: NORMAL$" \
    "the way of a packet from it"
roam tv 3 q-tv
more_bytes file
path_is 'tunnel to br-site3, port q-tv' || fail "the path that is shown"
wait_for 10 "br-site2 to forget it" no_flows_for "$address" switch2
leaves_by_tunnel tv || fail "its way out: $(way_out tv)"

roam tv 1 p-tv
more_bytes file
path_is 'direct, port p-tv' || fail "the path that is shown"
assert_match "$(device_row laptop tv)" \
    "True br-home p-tv .*10.1.0.0/24.* direct, port p-tv .*$address: direct" \
    "what laptop is shown"
assert_match "$(on switch baton-ctl \
    --target="$sandbox/controller/baton-controller.ctl" trace "$address")" \
    "correspondent: port p-tv$" "the way of a packet to it"
wait_for 5 "its way out to be the others'" leaves_as_others tv
wait_for 10 "br-site3 to forget it" no_flows_for "$address" switch3

roam tv 2 p-tv
more_bytes file
wait_for 5 "its way out to be the tunnel's" leaves_by_tunnel tv

move tv "$udp_session" laptop
udp_more

say "home; and the device where it began takes it along"
move tv "$session" laptop
more_bytes file
roam laptop 2 p-laptop
more_bytes file
udp_more
wait_for 5 "its way out to be the tunnel's" leaves_by_tunnel laptop
move laptop "$session" tv
more_bytes file
move tv "$session" laptop
roam laptop 1 p-laptop
more_bytes file
udp_more
udp_check

say "one that never moved"
end_application laptop baton-serve
wait_exit 20 "$curl" || true
rm "$work/got-file"
wait_for 10 "the session to end" no_session laptop "$session"
serve_on laptop
slow_download file 1000000
curl=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000
roam laptop 3 p-laptop
more_bytes file
path_is 'tunnel to br-site3, port p-laptop' || fail "the path that is shown"
leaves_by_tunnel laptop || fail "its way out: $(way_out laptop)"

say "while its agent is away"
"$sandbox_program" stop "$sandbox" laptop
pull laptop
put laptop 1 q-laptop
"$sandbox_program" start "$sandbox" laptop
more_bytes file
wait_for 10 "its place" is_placed laptop 1 q-laptop
wait_for 10 "its way out to be the others'" leaves_as_others laptop

! process_ended "$curl" || fail "the download did not last"
hurry
wait_exit 60 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
assert_equal "$(filtered)" 0 "packets that the router's filters dropped"
