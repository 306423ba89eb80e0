#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A10: a mapped session goes on while the device that has it roams.
# shellcheck source=tests/system/roam.sh
. "$(dirname "$0")/../roam.sh"
# shellcheck source=tests/system/away.sh
. "$(dirname "$0")/../away.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

roam_up --sites=2 --devices=laptop,tv@2 --movable=laptop
at_site[laptop]=1 at_site[tv]=2
sed -Ei 's,^  (laptop|tv): \{,&tunnel: {addresses: [10.8.0.0/16]}\, ,' \
    "$sandbox/controller/policy.yaml"
on switch baton-ctl policy reload
wait_for 10 "ready addresses" addresses_ready
make_file file 160000000
serve_mapped
address=$(own_of 4)
slow_download file 1000000
curl=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000
find_adopted

at_the_end() {
    path_of "$session" | grep -F "tunnel to the device at $1"
}

say "where it is mapped: another port"
roam laptop 1 q-laptop
more_bytes file

say "at another device: that one's home, away, and back"
move laptop "$session" tv
more_bytes file
roam tv 1 q-tv
more_bytes file
pull tv
put tv 0 r-tv
wait_for 30 "its tunnel" at_the_end 10.8.12.2
more_bytes file
roam tv 2 p-tv
wait_for 30 "its bridge" path_is 'tunnel to br-site2, port p-tv'
more_bytes file
move tv "$session" laptop
more_bytes file

say "where it is mapped: to another site, away, and home"
roam laptop 2 p-laptop
more_bytes file
pull laptop
put laptop 0 r-laptop
wait_for 30 "its tunnel" at_the_end 10.8.11.2
more_bytes file
roam laptop 1 p-laptop
wait_for 30 "its bridge" path_is 'direct, port p-laptop'
more_bytes file

! process_ended "$curl" || fail "the download did not last"
hurry
wait_exit 60 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
