#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A16: a device goes to another port of its bridge and keeps its sessions.
# shellcheck source=tests/system/roam.sh
. "$(dirname "$0")/../roam.sh"

roam_up --devices=laptop,tv
at_site[laptop]=1 at_site[tv]=1
make_file file 160000000

serve_on laptop
slow_download file 1000000
curl=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000

udp_up laptop

say "one that has not moved"
roam laptop 1 q-laptop
more_bytes file
udp_more

say "one that has come from another device"
move laptop "$session" tv
more_bytes file
roam tv 1 q-tv
more_bytes file

path_is 'direct, port q-tv' || fail "the path that the controller shows"
# Nobody else may use the port that it left for the session's address.
assert_no_match "$(flows | grep -F "$address")" 'in_port="?p-tv' "a flow"

say "datagrams, of one that has come too"
start_on tv udp-tv baton-stream --service=stream --accept --gap=40000 \
    --rate=$udp_rate
udp_pids+=("$pid")
move laptop "$udp_session" tv
roam tv 1 r-tv
more_bytes file
move tv "$udp_session" laptop
udp_more
udp_check

say "it moves on from there, and again after the next roaming"
move tv "$session" laptop
more_bytes file
move laptop "$session" tv
roam tv 1 p-tv
more_bytes file
move tv "$session" laptop

! process_ended "$curl" || fail "the download did not last"
hurry
wait_exit 60 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
