#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A11: first packets from spoofed sources cost little, and the service goes on.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

# flood ADDRESS PROTOCOL PORT N: first packets, each of another source.
flood() {
    on correspondent python3 - "$@" "$(mac_of laptop)" <<'END'
import os, socket, struct, sys
address, protocol, port, n, mac = sys.argv[1:]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0x0800))
dst = socket.inet_aton(address)
ether = (bytes.fromhex(mac.replace(":", "")) +
         open("/sys/class/net/eth0/address", "r").read().strip().encode())
ether = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex(
    open("/sys/class/net/eth0/address").read().strip().replace(":", ""))

def csum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

for i in range(int(n)):
    src = bytes([10, 77, i >> 8 & 255, i & 255])
    sport = 1024 + i % 60000
    if protocol == "tcp":
        number, l4 = 6, struct.pack("!HHIIBBHHH", sport, int(port), i, 0,
                                    0x50, 2, 8192, 0, 0)
    else:
        number, l4 = 17, struct.pack("!HHHH", sport, int(port), 12, 0) + b"spam"
    pseudo = src + dst + struct.pack("!BBH", 0, number, len(l4))
    sum4 = csum(pseudo + l4)
    at = 16 if protocol == "tcp" else 6
    l4 = l4[:at] + struct.pack("!H", sum4) + l4[at + 2:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(l4), i & 0xffff, 0,
                     64, number, 0, src, dst)
    ip = ip[:10] + struct.pack("!H", csum(ip)) + ip[12:]
    s.send(ether + b"\x08\x00" + ip + l4)
END
}

# movable COLUMN: of the TCP service at laptop's IPv4 address.
movable() {
    on switch baton-ctl --format=json movable | python3 -c '
import json, sys
answer = json.load(sys.stdin)
for row in answer["data"]:
    row = dict(zip(answer["headings"], row))
    if (row["permanent"], row["protocol"]) == ("10.1.0.11", sys.argv[2]):
        print(str(row[sys.argv[1]]).lower())' "$1" "${2:-tcp}"
}

was_suspended() {
    [ "$(movable suspensions "$1")" -gt 0 ]
}

is_open() {
    [ "$(movable suspended "${1:-tcp}")" = false ]
}

no_sessions_of() {
    [ "$(movable sessions "$1")" = 0 ]
}

echoes() {
    [ "$(echo hello | on correspondent socat -t 1 - UDP:10.1.0.11:9000)" \
        = hello ]
}

memory_of_controller() {
    sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' \
        "/proc/$(cat "$sandbox/controller/baton-controller.pid")/status"
}

# The pool is small and tv's too: laptop gets a part of it.
{
    "$sandbox_program" policy --movable=laptop
    echo "limits: {sessions: 24}"
} > "$work/policy.yaml"
movable_up --policy="$work/policy.yaml"
make_file file 60000000
make_file small 10
serve_mapped
start_on laptop echo socat UDP6-RECVFROM:9000,fork EXEC:cat
address=$(own_of 4)
slow_download file 1000000
curl=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000
find_session laptop web-
before=$(memory_of_controller)
flows_before=$(flows | wc -l)

for protocol in tcp udp; do
    port=8080
    [ $protocol = tcp ] || port=9000
    flood 10.1.0.11 $protocol $port 60000
    wait_for 5 "$protocol to be left alone" was_suspended $protocol
    # What is kept of it is bounded...
    [ "$(movable sessions $protocol)" -le 300 ] ||
        fail "$(movable sessions $protocol) sessions"
    [ "$(flows | wc -l)" -le $((flows_before + 1200)) ] ||
        fail "$(flows | wc -l) flows"
    # ...and the service is there for everybody, as it would be without Baton.
    if [ $protocol = tcp ]; then
        assert_equal "$(on correspondent curl -sS --max-time 10 \
            http://10.1.0.11:8080/small | wc -c)" 10 "while it is flooded"
    else
        # The flood may fill the service's own buffer.
        wait_for 15 "an answer while it is flooded" echoes
    fi
    # Whichever limit was met first.
    n=0
    for why in rate sessions half_open per_source device; do
        n=$((n + $(movable passed_$why $protocol)))
    done
    [ "$n" -gt 0 ] || fail "nothing is counted"
done
grep -q "new sessions are not mapped" \
    "$sandbox/controller/baton-controller.log" || fail "nothing is said of it"

# Others have their addresses.
mapped=$session
start_on tv serve-tv baton-serve --root="$sandbox/files" --port=8088 \
    --service=files
wait_for 15 "a session on tv" grep -q ^address "$work/serve-tv.txt"

# What was there before goes on, and moves.
session=$mapped
move laptop "$session" tv

# Then it is as before.
for protocol in tcp udp; do
    wait_for 30 "$protocol to be mapped again" is_open $protocol
done
wait_for 40 "half-open sessions to go" no_sessions_of udp
hurry
wait_exit 20 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
wait_for 40 "sessions to go" no_sessions_of tcp
wait_for 10 "flows to go" no_mapped_flows 10.1.0
after=$(memory_of_controller)
[ "$after" -lt $((before + 4096)) ] || fail "memory: $before, then $after KiB"
wait_for 20 "ready addresses" addresses_ready
assert_equal "$(on correspondent curl -sS http://10.1.0.11:8080/small |
    wc -c)" 10 "afterwards"
[ "$(movable mapped)" -gt 1 ] || fail "nothing is mapped any more"
