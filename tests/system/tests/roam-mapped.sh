#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A16: a device with sessions that began on its permanent address roams.
# shellcheck source=tests/system/roam.sh
. "$(dirname "$0")/../roam.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

roam_up --sites=2 --devices=laptop,tv --movable=laptop
at_site[laptop]=1 at_site[tv]=1
wait_for 10 "ready addresses" addresses_ready
make_file file 160000000
make_file small 10

# small: by a connection of its own, to the permanent address.
small() {
    on correspondent curl -sS --max-time 10 \
        "http://$(in_url "$permanent"):8080/small" | wc -c
}

mapped_count() {
    controller_shows movable | python3 -c '
import csv, sys
print(sum(int(row["mapped"]) for row in csv.DictReader(sys.stdin)))'
}

serve_mapped
for family in 4 6; do
    permanent=$(own_of $family)
    address=$permanent
    slow_download file 1000000
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000
    find_mapped_of $family

    say "to another port of its bridge"
    roam laptop 1 q-laptop
    more_bytes file
    before=$(mapped_count)
    assert_equal "$(small)" 10 "a new one"
    [ "$(mapped_count)" -gt "$before" ] || fail "it was not mapped"

    say "to another site: its session goes on, by its home"
    roam laptop 2 p-laptop
    more_bytes file
    path_is 'tunnel to br-site2, port p-laptop' || fail "the path"
    [ "$(mapped_flows "$address")" = 2 ] || fail "it is not translated"

    say "and to another device"
    move laptop "$session" tv
    more_bytes file
    move tv "$session" laptop
    more_bytes file

    say "home"
    roam laptop 1 p-laptop
    more_bytes file
    before=$(mapped_count)
    assert_equal "$(small)" 10 "a new one"
    [ "$(mapped_count)" -gt "$before" ] || fail "it is not mapped any more"
    ! process_ended "$curl" || fail "the download did not last"
    hurry
    wait_exit 60 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    rm "$work/got-file"
    wait_for 20 "the session to end" no_mapped_flows "$address"
done
