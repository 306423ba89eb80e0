#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A12: the mapping is kept, and can be asked for, with its counters.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

# mapping COMMAND...: of what it prints as JSON, the one row about $address;
# with keys, one a line.
mapping() {
    "$@" | python3 -c '
import json, sys
answer = json.load(sys.stdin)
rows = [dict(zip(answer["headings"], row)) for row in answer["data"]]
rows = [row for row in rows if row["address"] == sys.argv[1]]
assert len(rows) == 1, rows
for key in sorted(rows[0]):
    print(key, rows[0][key])' "$address"
}

# of TEXT KEY
of() {
    sed -n "s/^$2 //p" <<<"$1"
}

# check_mapping TEXT OWNER
check_mapping() {
    assert_equal "$(of "$1" permanent)" "$permanent" "permanent address"
    assert_equal "$(of "$1" port)" 8080 "its port"
    assert_equal "$(of "$1" protocol)" tcp "protocol"
    assert_equal "$(of "$1" correspondent)" "$correspondent" "correspondent"
    assert_equal "$(of "$1" correspondent_port)" "$port" "its port"
    assert_equal "$(of "$1" session)" "$session" "session"
    assert_equal "$(of "$1" owner)" "$2" "owner"
    assert_match "$(of "$1" since)" "$(date +%Y-%m-%d).*[0-9]" "since when"
}

on_switch() {
    on switch baton-ctl --format=json mappings
}

on_device() {
    on "$1" baton --format=json sessions --mapping
}

has_counted_out() {
    [ "$(of "$(mapping on_switch)" bytes_out)" -ge "$1" ]
}

# check_trace PORT: what trace says of the session address, and the same of the
# permanent one: the two flows that translate, and where packets go.
check_trace() {
    local trace what
    for what in "$address" "$permanent"; do
        trace=$(on switch baton-ctl --format=list trace "$what")
        assert_match "$trace" "a packet to $address, sent by [^ ]* [^.]*: (port $1|NORMAL)$" \
            "trace $what, to"
        assert_match "$trace" "a packet from $address, sent by ${1#p-}: NORMAL" \
            "trace $what, from"
        assert_match "$trace" "$correspondent.*$permanent.*tp_src=$port,tp_dst=8080" \
            "trace $what: the flow that translates"
    done
    assert_match "$trace" "the first of a correspondent's to movable service web: the controller" \
        "trace of the permanent address"
}

movable_up
make_file file 8000000
serve_mapped
for family in 4 6; do
    permanent=$(own_of $family)
    address=$permanent
    correspondent=10.1.0.2
    [ $family = 4 ] || correspondent=fd00:1::2
    slow_download file 1000000
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000
    find_session laptop web-
    port=$(on correspondent ss -H -tn state established \
        dst "$(in_url "$permanent")" | sed 's/.*:\([0-9]*\) .*/\1/; q')

    before=$(mapping on_switch)
    check_mapping "$before" laptop
    check_mapping "$(mapping on_device laptop)" laptop
    # libbaton said so.
    grep -F "session $session permanent $permanent 8080 correspondent \
$correspondent $port" "$work/serve-mapped.txt" || fail "not from libbaton"

    check_trace p-laptop
    move laptop "$session" tv
    check_trace p-tv
    hurry
    wait_exit 20 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
    # The switch brings its flows' counters up to date twice a second.
    wait_for 2 "all of the file to be counted" has_counted_out 8000000
    after=$(mapping on_switch)
    check_mapping "$after" tv
    check_mapping "$(mapping on_device tv)" tv
    check_mapping "$(mapping on_device laptop)" tv
    # All of the file went out, and little more.
    bytes=$(of "$after" bytes_out)
    [ "$bytes" -le 12000000 ] || fail "$bytes bytes out"
    for what in packets_in bytes_in packets_out bytes_out; do
        [ "$(of "$after" $what)" -gt "$(of "$before" $what)" ] ||
            fail "$what does not grow"
    done
    wait_for 20 "the session to end" no_mapped_flows "$address"
    ! mapping on_switch 2>/dev/null || fail "the mapping stays"
done
