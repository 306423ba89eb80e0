#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A11: ICMP errors that belong to a mapped session are translated.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

# talk FAMILY: from one socket of the correspondent, a datagram, its answer,
# and, when there is a file "gone", one to which there is none: what its socket
# says then.
talk() {
    start_on correspondent talk python3 -c '
import os, socket, sys, time
address, gone = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                  socket.SOCK_DGRAM)
s.settimeout(10)
s.connect((address, 9000))
s.send(b"one")
print(s.recv(100).decode(), flush=True)
while not os.path.exists(gone):
    time.sleep(0.02)
s.send(b"two")
try:
    print(s.recv(100))
except ConnectionRefusedError:
    print("refused")' "$(own_of "$1")" "$work/gone"
}

has_said() {
    grep -q "$1" "$work/talk.txt"
}

# idle FAMILY: a connection of the correspondent that has got an answer; then,
# for each line "error" that comes, an ICMP error about what the other end may
# have sent last.
idle() {
    mkfifo -m 600 "$work/errors" 2>/dev/null || true
    start_on correspondent idle python3 -c '
import socket, struct, sys
permanent, mac, errors = sys.argv[1:]
v4 = ":" not in permanent
s = socket.create_connection((permanent, 8080))
s.send(b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n")
answer = b""
while not answer.endswith(b"small file"):
    answer += s.recv(1000)
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, 1)
seq = s.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xffffffff
s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, -1)

def csum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

def ip4(proto, src, dst, n):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + n, 1, 0x4000, 64,
                         proto, 0, src, dst)
    return header[:10] + struct.pack("!H", csum(header)) + header[12:]

def ip6(proto, src, dst, n):
    return struct.pack("!IHBB16s16s", 0x60000000, n, proto, 64, src, dst)

family = socket.AF_INET if v4 else socket.AF_INET6
p = socket.inet_pton(family, permanent)
c = socket.inet_pton(family, s.getsockname()[0])
quoted = struct.pack("!HHI", 8080, s.getsockname()[1], seq) + b"\0" * 12
if v4:
    quoted = ip4(6, p, c, 1480) + quoted
    icmp = struct.pack("!BBHHH", 3, 4, 0, 0, 1300) + quoted
    icmp = icmp[:2] + struct.pack("!H", csum(icmp)) + icmp[4:]
    packet = ip4(1, c, p, len(icmp)) + icmp
else:
    quoted = ip6(6, p, c, 1460) + quoted
    icmp = struct.pack("!BBHI", 2, 0, 0, 1300) + quoted
    pseudo = c + p + struct.pack("!II", len(icmp), 58)
    icmp = icmp[:2] + struct.pack("!H", csum(pseudo + icmp)) + icmp[4:]
    packet = ip6(58, c, p, len(icmp)) + icmp
own = open("/sys/class/net/eth0/address").read().strip()
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("eth0", 0))
print("ready", flush=True)
for line in open(errors):
    if line.strip() == "error":
        raw.send(bytes.fromhex((mac + own).replace(":", "")) +
                 (b"\x08\x00" if v4 else b"\x86\xdd") + packet)
' "$(own_of "$1")" "$(mac_of laptop)" "$work/errors"
    wait_for 10 "the answer" grep -q ready "$work/idle.txt"
}

# The MTU of the path that the connection from $address on HOST has.
path_mtu() {
    on "$1" ss -H -tni state established src "$(in_url "$address")" |
        grep -o 'pmtu:[0-9]*'
}

has_path_mtu() {
    [ "$(path_mtu "$1")" = "pmtu:$2" ]
}

movable_up
mkdir -p "$sandbox/files"
printf 'small file' > "$sandbox/files/small"
for family in 4 6; do
    # From the device: the service is gone, its kernel says so of the session
    # address, and the correspondent's socket hears it of the permanent one.
    rm -f "$work/gone"
    start_on laptop echo socat UDP6-RECVFROM:9000,fork EXEC:cat
    echo=$pid
    wait_for 5 "the service" on laptop sh -c 'ss -Huln | grep -q :9000'
    talk $family
    talk=$pid
    wait_for 10 "the first answer" has_said one
    find_session laptop echo-
    kill "$echo"
    wait_for 5 "the service to be gone" \
        on laptop sh -c '! ss -Huln | grep -q :9000'
    touch "$work/gone"
    wait_exit 15 "$talk" || fail "$(cat "$work/talk.err.txt")"
    has_said refused || fail "it said: $(cat "$work/talk.txt")"
done

serve_mapped
for family in 4 6; do
    # To the device: of a session that moved, to where it is.
    idle $family
    exec 9> "$work/errors"
    find_session laptop web-
    assert_equal "$(path_mtu laptop)" pmtu:1500 "at first"
    echo error >&9
    wait_for 5 "laptop to hear of it" has_path_mtu laptop 1300
    move laptop "$session" tv
    wait_for 5 "its connection on tv" has_path_mtu tv 1500
    echo error >&9
    wait_for 5 "tv to hear of it" has_path_mtu tv 1300
    exec 9>&-
    wait_exit 5 "$pid" || fail "$(cat "$work/idle.err.txt")"
    wait_for 20 "the session to end" no_mapped_flows "$address"
done
