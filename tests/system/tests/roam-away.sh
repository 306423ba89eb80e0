#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A7: a device leaves all bridges, becomes the end of a tunnel, and comes back.
# shellcheck source=tests/system/roam.sh
. "$(dirname "$0")/../roam.sh"
# shellcheck source=tests/system/away.sh
. "$(dirname "$0")/../away.sh"

roam_up --sites=2 --devices=laptop,tv@2
at_site[laptop]=1 at_site[tv]=2
sed -Ei 's,^  (laptop|tv): \{,&tunnel: {addresses: [10.8.0.0/16]},' \
    "$sandbox/controller/policy.yaml"
on switch baton-ctl policy reload
make_file file 160000000

# go_away DEVICE: behind no bridge.
go_away() {
    pull "$1"
    put "$1" 0 "r-$1"
}

no_tunnel() {
    ! on "$1" ip -br link show type vxlan | grep .
}

at_the_end() {
    path_of "$session" | grep -F "tunnel to the device at $1"
}

udp_family=6
udp_up laptop
start_on tv udp-tv baton-stream --service=stream --accept --gap=40000 \
    --rate=$udp_rate
udp_pids+=("$pid")
serve_on laptop
slow_download file 1000000
curl=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000

say "one that came from another device: away, and back to its site"
move laptop "$session" tv
more_bytes file
go_away tv
wait_for 30 "its tunnel" at_the_end 10.8.12.2
more_bytes file
roam tv 2 p-tv
wait_for 30 "its bridge" path_is 'tunnel to br-site2, port p-tv'
more_bytes file
wait_for 30 "its tunnel to go" no_tunnel tv

say "away, and to its session's home"
go_away tv
wait_for 30 "its tunnel" at_the_end 10.8.12.2
more_bytes file
roam tv 1 q-tv
wait_for 30 "the bridge" path_is 'direct, port q-tv'
more_bytes file
move tv "$session" laptop
more_bytes file

say "the device where they began: away, moved from there, and home"
go_away laptop
wait_for 30 "its tunnel" at_the_end 10.8.11.2
more_bytes file
udp_more
move laptop "$session" tv
more_bytes file
move tv "$session" laptop
more_bytes file
roam laptop 1 p-laptop
wait_for 30 "its bridge" path_is 'direct, port p-laptop'
more_bytes file
udp_more
udp_check
wait_for 30 "its tunnel to go" no_tunnel laptop

! process_ended "$curl" || fail "the download did not last"
hurry
wait_exit 60 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
