#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Somebody deletes or changes Baton's flows: put right within a second, and said.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

movable_up
expect_log 'flow_watch\|WARN\|br-home: somebody else changes'

# All flows of Baton, without what counts.
flows_now() {
    on switch ovs-ofctl -O OpenFlow15 --no-stats dump-flows br-home | sort
}

flows_are_back() {
    diff <(flows_now) "$work/flows"
}

somebody() {
    say "somebody: ovs-ofctl $*"
    flows_now > "$work/flows"
    on switch ovs-ofctl -O OpenFlow15 "$1" br-home "${@:2}"
    wait_for 1 "the flows" flows_are_back
}

# shown KEY: of bridge br-home, by `baton-ctl show'.
shown() {
    on switch baton-ctl --format=json show | python3 -c '
import json, sys
text, at = sys.stdin.read(), 0
while at < len(text):
    table, at = json.JSONDecoder().raw_decode(text, at)
    at += len(text[at:]) - len(text[at:].lstrip())
    for row in table["data"]:
        row = dict(zip(table["headings"], row))
        if row.get("name") == "br-home":
            print(row[sys.argv[1]])' "$1"
}

synchronised() {
    [ "$(shown synchronised)" = True ]
}

has_received() {
    [ "$(count "$(summary "$1" "$2")" received)" -ge "$3" ]
}

# Datagrams both ways go on: 200 more, at 500 a second, within a second.
goes_on() {
    local name n
    for name in far tv; do
        n=$(count "$(summary "${!name}" $name)" received)
        wait_for 1 "datagrams at $name" \
            has_received "${!name}" $name $((n + 200))
    done
}

say "a session that moved"
start_on correspondent far baton-stream --correspondent --family=4 \
    --port=9000 --rate=500
far=$pid
wait_for 5 "its start" grep -q ^address "$work/far.txt"
start_on tv tv baton-stream --service=stream --accept
# shellcheck disable=SC2034 # Is for goes_on().
tv=$pid
start_on laptop laptop baton-stream --service=stream --accept --open \
    --family=4 --port=9000 --rate=500 --send=10.1.0.2:9000
wait_for 10 "its session" grep -q ^address "$work/laptop.txt"
read -r _ address _ < <(grep ^address "$work/laptop.txt")
session=$(awk '{ print $NF; exit }' "$work/laptop.txt")
move laptop "$session" tv
assert_equal "$(shown repaired)" 0 "flows put right"
goes_on
for what in "nw_src=$address" "nw_dst=$address"; do
    somebody del-flows "ip,$what"
    goes_on
done
somebody mod-flows "ip,nw_dst=$address,actions=drop"
goes_on
somebody del-flows
goes_on
wait_for 5 "the bridge" synchronised
[ "$(shown repaired)" -ge 10 ] || fail "$(shown repaired) flows put right"
gap=$(count "$(summary "$far" far)" gap_max_us)
say "nothing came for $gap us at most"
[ "$gap" -lt 1000000 ] || fail "nothing came for $gap us"

say "sessions that are mapped"
make_file file 20000000
start_on laptop server python3 -m http.server --bind :: \
    --directory "$sandbox/files" 8080
wait_for 10 "the server" on laptop \
    curl -sS -I -o /dev/null http://10.1.0.11:8080/file
for family in 4 6; do
    address=$(own_of $family)
    slow_download file 2000000
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000
    find_mapped web-
    assert_equal "$(mapped_flows "$address")" 2 "flows of the session"
    somebody del-flows "table=6,tcp,tp_src=8080"
    somebody del-flows "table=6,tcp,tp_dst=8080"
    somebody del-flows "table=6"
    hurry
    wait_exit 20 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
done

# It is said when it began, and less than once a minute.
assert_equal "$(grep -c "somebody else changes" \
    "$sandbox/controller/baton-controller.log")" 1 "times that it is said"
