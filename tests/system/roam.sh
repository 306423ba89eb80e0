# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # What is set here is for the tests.
#
# Devices that roam: the far end of a device's cable is pulled out of one port
# and put into another.  The device's own end stays, as an interface of a radio
# would; at another site it gets other addresses of its own.

# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

declare -A at_site at_port

# roam_up OPTION...: a sandbox whose policy pins no device to a port.
roam_up() {
    "$sandbox_program" policy "$@" |
        sed -E 's/^(  [a-z0-9]+: \{)bridge: [^,}]*, port: [^,}]*(, )?/\1/' \
            > "$work/policy.yaml"
    sandbox_up --policy="$work/policy.yaml" "$@"
}

switch_at() {
    if [ "$1" = 1 ]; then echo switch; else echo "switch$1"; fi
}

bridge_at() {
    if [ "$1" = 1 ]; then echo br-home; else echo "br-site$1"; fi
}

# vsctl SITE ARGUMENT...
vsctl() {
    local ovs=$sandbox/ovs
    [ "$1" = 1 ] || ovs=$ovs$1
    shift
    ovs-vsctl --db="unix:$ovs/db.sock" --timeout=20 "$@"
}

# pull DEVICE: out of its port, which the bridge does not have any more.
pull() {
    local from=${at_site[$1]} port=${at_port[$1]:-p-$1}
    [ "$from" = 0 ] || vsctl "$from" del-port "$(bridge_at "$from")" "$port"
    ip -n "$(cable_end "$from")" link set "$port" down
}

# The namespace in which the far end of a cable is at that site; 0: behind no
# bridge, at the router.
cable_end() {
    if [ "$1" = 0 ]; then netns_of router; else netns_of "$(switch_at "$1")"; fi
}

# number_of DEVICE: by which its addresses are made.
number_of() {
    sed -n 's/^devices=(\(.*\))/\1/p' "$sandbox/sandbox.conf" |
        tr ' ' '\n' | grep -nx "$1" | awk -F : '{ print $1 + 10 }'
}

# address_at SITE NUMBER 4|6: of the device there; its gateway ends in 1.
address_at() {
    case $1$3 in
    04) echo "10.8.$2.2" ;;
    06) echo "fd00:8:$2::2" ;;
    ?4) echo "10.$1.0.$2" ;;
    ?6) echo "fd00:$1::$2" ;;
    esac
}

# gateway_of ADDRESS: the router, in its subnet.
gateway_of() {
    case $1 in
    *:*) echo "${1%:*}:1" ;;
    *) echo "${1%.*}.1" ;;
    esac
}

# renumber DEVICE FROM TO: its own addresses are of site TO now, as DHCP and
# router advertisements would have it.
renumber() {
    local ns number family bits new old
    ns=$(netns_of "$1")
    number=$(number_of "$1")
    for family in 4 6; do
        bits=24
        [ $family = 4 ] || bits=64
        old=$(address_at "$2" "$number" $family)
        new=$(address_at "$3" "$number" $family)
        ip -n "$ns" addr add "$new/$bits" dev eth0
        ip -n "$ns" -$family route replace default via "$(gateway_of "$new")"
        ip -n "$ns" addr del "$old/$bits" dev eth0
    done
}

# put DEVICE SITE PORT: into a port of that name.
put() {
    local from=${at_site[$1]} port=${at_port[$1]:-p-$1} old new
    old=$(cable_end "$from")
    new=$(cable_end "$2")
    if [ "$old" = "$new" ]; then
        [ "$port" = "$3" ] || ip -n "$old" link set "$port" name "$3"
    else
        ip -n "$old" link set "$port" netns "$new" name "$3"
        renumber "$1" "$from" "$2"
    fi
    at_site[$1]=$2
    at_port[$1]=$3
    ip netns exec "$new" ethtool -K "$3" tx off > /dev/null
    [ "$2" != 0 ] || route "$1" "$3"
    ip -n "$new" link set "$3" up
    [ "$2" = 0 ] || vsctl "$2" add-port "$(bridge_at "$2")" "$3"
}

# route DEVICE PORT: as the router does for devices at site 0.
route() {
    local family own
    for family in 4 6; do
        own=$(address_at 0 "$(number_of "$1")" $family)
        ip -n "$(cable_end 0)" addr add \
            "$(gateway_of "$own")/$([ $family = 4 ] && echo 24 || echo 64)" \
            dev "$2"
        on router nft add rule inet internet forward iifname "$2" \
            "$([ $family = 4 ] && echo ip || echo ip6)" saddr != "$own" \
            counter drop
    done
}

# roam DEVICE SITE PORT: and proves that it is there.
roam() {
    pull "$1"
    put "$@"
    wait_for 10 "$1 to be at $3" is_placed "$@"
    say "$1 is at $3 of $(bridge_at "$2") now"
}

controller_shows() {
    on switch baton-ctl --target="$sandbox/controller/baton-controller.ctl" \
        --format=csv "$@"
}

# is_placed DEVICE SITE PORT: by what the controller believes.
is_placed() {
    controller_shows devices | python3 -c '
import csv, sys
for row in csv.DictReader(sys.stdin):
    if row["name"] == sys.argv[1]:
        sys.exit([row["bridge"], row["port"]] != sys.argv[2:])' \
        "$1" "$(bridge_at "$2")" "$3"
}

# path_is PATTERN: of the way of $session.
path_is() {
    controller_shows sessions | python3 -c '
import csv, re, sys
for row in csv.DictReader(sys.stdin):
    if row["session"] == sys.argv[1]:
        sys.exit(not re.search(sys.argv[2], row["path"]))
sys.exit(1)' "$session" "$1"
}

# more_bytes NAME [SECONDS]: of that download.
more_bytes() {
    local before
    before=$(stat -c %s "$work/got-$1")
    wait_for "${2:-20}" "more bytes of $1" \
        file_has_bytes "$work/got-$1" $((before + 300000))
}

## A stream of datagrams beside the download.

udp_rate=200
udp_family=4

# udp_up FROM OTHER...: numbered datagrams both ways between a session of FROM
# and the correspondent; sets 'udp_session'.  OTHER can take it.
udp_up() {
    local device to=10.1.0.2
    [ $udp_family = 4 ] || to="[fd00:1::2]"
    udp_pids=()
    start_on correspondent udp-far baton-stream --correspondent --port=9100 \
        --family=$udp_family --rate=$udp_rate --gap=40000
    udp_far=$pid
    wait_for 5 "its start" grep -q ^address "$work/udp-far.txt"
    for device in "${@:2}"; do
        start_on "$device" "udp-$device" baton-stream --service=stream \
            --accept --gap=40000 --rate=$udp_rate
        udp_pids+=("$pid")
    done
    start_on "$1" udp-near baton-stream --service=stream --accept --open \
        --family=$udp_family --port=9100 --rate=$udp_rate \
        --send="$to:9100" --gap=40000
    udp_near=$pid
    udp_pids+=("$pid")
    wait_for 10 "its session" grep -q ^address "$work/udp-near.txt"
    udp_session=$(awk '{ print $NF; exit }' "$work/udp-near.txt")
    udp_more
}

# Datagrams come on, both ways: on the side of the process that has the session
# now, which is 'udp_near'.
udp_more() {
    local far near
    far=$(count "$(summary "$udp_far" udp-far)" received)
    near=$(count "$(summary "$udp_near" udp-near)" received)
    wait_for 15 "more datagrams from the device" udp_has "$udp_far" udp-far \
        $((far + udp_rate / 2))
    wait_for 15 "more datagrams at the device" udp_has "$udp_near" udp-near \
        $((near + udp_rate / 2))
}

udp_has() {
    [ "$(count "$(summary "$1" "$2")" received)" -ge "$3" ]
}

# udp_check: none twice or wrong, and as many missing, either way, as fit into
# the times during which nothing came to the correspondent (the cable was out),
# and no more.
udp_check() {
    local name key far near
    far=$(summary "$udp_far" udp-far)
    near=$(summary "$udp_near" udp-near)
    for key in duplicated stale wrong; do
        assert_equal "$(count "$far" $key)" 0 "UDP, correspondent: $key"
        assert_equal "$(count "$near" $key)" 0 "UDP, device: $key"
    done
    python3 - "$udp_rate" "$far" "$near" <<'PYTHON' || fail "UDP: $far $near"
import json
import sys
rate, far, near = int(sys.argv[1]), *map(json.loads, sys.argv[2:])
gaps = [gap["gap_us"] / 1000 for gap in far["gaps"]]
print("UDP: %d and %d lost; nothing came for %s ms" %
      (far["lost"], near["lost"], ", ".join("%.0f" % gap for gap in gaps)))
# What is one way is late the other way by some scheduling of ours.
most = sum(gaps) * rate / 1000 * 1.05 + len(gaps) * (1 + 0.05 * rate)
sys.exit(max(far["lost"], near["lost"]) > most)
PYTHON
    for name in "$udp_far" "${udp_pids[@]}"; do
        kill "$name"
        wait_exit 5 "$name" || true
    done
}
