#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A11: an RST or a FIN that somebody forged does not end a mapped session, nor
# is it over sooner; a real one does.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

# talk NAME FAMILY: a connection of the correspondent that says its port, and
# asks and is answered each time that a line comes through the pipe NAME; on
# "forge" it sends what is none of it, with its ends and a sequence number of
# nobody: a FIN and an RST; on "close" it closes.
talk() {
    mkfifo -m 600 "$work/$1"
    start_on correspondent "$1" python3 -c '
import socket, struct, sys
permanent, mac, lines = sys.argv[1:]
v4 = ":" not in permanent
s = socket.create_connection((permanent, 8080))

def ask():
    s.send(b"word")
    answer = b""
    while len(answer) < 4:
        answer += s.recv(4)
    print("answered", s.getsockname()[1], flush=True)

def csum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

def forge(flags):
    family = socket.AF_INET if v4 else socket.AF_INET6
    src = socket.inet_pton(family, s.getsockname()[0])
    dst = socket.inet_pton(family, permanent)
    tcp = struct.pack("!HHIIBBHHH", s.getsockname()[1], 8080, 12345, 0, 0x50,
                      flags, 0, 0, 0)
    pseudo = src + dst + struct.pack("!II", len(tcp), 6)
    tcp = tcp[:16] + struct.pack("!H", csum(pseudo + tcp)) + tcp[18:]
    if v4:
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0x4000, 64, 6, 0,
                         src, dst)
        ip = ip[:10] + struct.pack("!H", csum(ip)) + ip[12:]
    else:
        ip = struct.pack("!IHBB16s16s", 0x60000000, 20, 6, 64, src, dst)
    own = open("/sys/class/net/eth0/address").read().strip()
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind(("eth0", 0))
    raw.send(bytes.fromhex((mac + own).replace(":", "")) +
             (b"\x08\x00" if v4 else b"\x86\xdd") + ip + tcp)

ask()
for line in open(lines):
    if line == "forge\n":
        forge(0x11)                     # FIN, ACK
        forge(0x04)                     # RST
        print("forged", flush=True)
    elif line == "close\n":
        break
    else:
        ask()
' "$(own_of "$2")" "$(mac_of laptop)" "$work/$1"
    wait_for 10 "the answer" has_answered "$1" 1
}

has_answered() {
    [ "$(grep -c answered "$work/$1.txt")" = "$2" ]
}

# find_session_of NAME: of that connection.
find_session_of() {
    find_session laptop "web-.*:$(sed -n 's/answered //p' "$work/$1.txt" |
        head -n 1)\$"
}

# state_of ADDRESS: of its mapping.
state_of() {
    on switch baton-ctl --format=json mappings | python3 -c '
import json, sys
answer = json.load(sys.stdin)
rows = [dict(zip(answer["headings"], row)) for row in answer["data"]]
print(" ".join(row["state"] for row in rows if row["address"] == sys.argv[1]))
' "$1"
}

is_in_state() {
    [ "$(state_of "$1")" = "$2" ]
}

movable_up
# A service that does not know libbaton: nobody but the bridge sees its ends.
start_on laptop echo socat TCP6-LISTEN:8080,fork,reuseaddr EXEC:cat
wait_for 5 "the service" on laptop sh -c 'ss -Htln | grep -q :8080'
for family in 4 6; do
    talk "first$family" $family
    first=$pid
    exec 8> "$work/first$family"
    find_session_of "first$family"
    forged=$address
    wait_for 5 "it to be open" is_in_state "$forged" open
    echo forge >&8
    wait_for 5 "it to be sent" grep -q forged "$work/first$family.txt"

    # What the controller hears later it has in its hands later: this one's
    # end is real, and over.
    talk "second$family" $family
    second=$pid
    exec 9> "$work/second$family"
    find_session_of "second$family"
    other=$address
    echo close >&9
    exec 9>&-
    wait_exit 5 "$second" || fail "$(cat "$work/second$family.err.txt")"
    wait_for 10 "the other one to be over" is_in_state "$other" closing
    is_in_state "$forged" open ||
        fail "after a forged RST it is $(state_of "$forged")"
    echo again >&8
    wait_for 5 "an answer" has_answered "first$family" 2
    echo close >&8
    exec 8>&-
    wait_exit 5 "$first" || fail "$(cat "$work/first$family.err.txt")"
    wait_for 20 "the session to end" no_mapped_flows "$forged"
    wait_for 20 "the other one to end" no_mapped_flows "$other"
done
