# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What tests of whole addresses are written with, beside lib.sh: laptop's own
# addresses move.  A test sources this, and lib.sh or fault.sh before it.

# own_of FAMILY: laptop's address.
own_of() {
    if [ "$1" = 4 ]; then
        echo 10.1.0.11
    else
        echo fd00:1::11
    fi
}

# has_own DEVICE ADDRESS [STATE]
has_own() {
    on "$1" baton --format=csv sessions |
        grep ",permanent,$2,.*,${3:-here}\(,\|$\)"
}

# bound DEVICE ADDRESS: on its interface.
bound() {
    on "$1" ip -br address show dev eth0 | grep -F " $2/"
}

not_bound() {
    ! on "$1" ip -br address | grep -F " $2/"
}

# endpoint_of DEVICE: where its agent says that its peers reach it.
endpoint_of() {
    on switch baton-ctl --target="$sandbox/controller/baton-controller.ctl" \
        --format=csv devices | python3 -c '
import csv, sys
for row in csv.DictReader(sys.stdin):
    if row["name"] == sys.argv[1] and row["connected"] == "true":
        print(row["endpoint"])' "$1"
}

endpoint_is() {
    [ "$(endpoint_of "$1")" = "$2" ]
}

# answered ADDRESS: what was asked for it was.
answered() {
    grep -Eq "(Reply|tgt is) $1" "$work/silence.txt"
}

# check_silence DEVICE ADDRESS: not a frame leaves with it as its source, in IP,
# ARP or neighbour discovery, although it is asked.
check_silence() {
    local sniffer temporary lines
    temporary=$(on "$1" ip -br address show dev eth0 | tr ' ' '\n' |
        grep -E '^(10\.1\.0\.1[2-9][0-9]|fd00:1::5e55:)' |
        if [[ $2 = *:* ]]; then grep :; else grep -v :; fi)
    temporary=${temporary%/*}
    start_on "$1" silence tcpdump -i eth0 -nn -l --immediate-mode -Q out
    sniffer=$pid
    wait_for 5 "tcpdump" grep -q "listening on" "$work/silence.err.txt"
    on correspondent python3 "$test_dir/ask.py" eth0 "$2" "$(mac_of "$1")"
    # Whoever listens would have heard: the same of the address that it has.
    on correspondent python3 "$test_dir/ask.py" eth0 "$temporary" \
        "$(mac_of "$1")"
    wait_for 5 "an answer for $temporary" answered "$temporary"
    kill "$sniffer"
    wait "$sniffer" 2>/dev/null || true
    lines=$(grep -E "IP6? $2[. ]|tell $2,|Reply $2 is-at|tgt is $2," \
        "$work/silence.txt") || true
    assert_equal "$lines" "" "what the device that sleeps said"
}

# by_temporary DEVICE: its channel goes by a leased address.
by_temporary() {
    [[ $(endpoint_of "$1") = ssl:10.1.0.1[2-9][0-9]:6655 ]]
}

no_programs() {
    [ -z "$(pids_of "$1" baton-serve)$(pids_of "$1" baton-stream)" ]
}

is_registered() {
    [ -n "$(endpoint_of "$1")" ]
}
