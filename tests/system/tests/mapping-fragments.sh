#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A11: datagrams in fragments reach the permanent address whole, are answered
# from it, and are counted; whole ones of the same session are translated.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

# echo_of FAMILY: from one socket of the correspondent, datagrams that fit and
# that do not, each answered before the next.
echo_of() {
    on correspondent python3 -c '
import socket, sys
address = sys.argv[1]
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                  socket.SOCK_DGRAM)
s.settimeout(0.5)
s.connect((address, 9000))
for size in 100, 4000, 100, 8000, 200:
    data = bytes(i % 251 for i in range(size))
    for _ in range(20):
        s.send(data)
        try:
            assert s.recv(10000) == data
            break
        except TimeoutError:
            pass
    else:
        sys.exit("no answer of %d bytes" % size)' "$(own_of "$1")"
}

# counted FAMILY COLUMN: of the movable service.
counted() {
    on switch baton-ctl --format=json movable | python3 -c '
import json, sys
answer = json.load(sys.stdin)
rows = [dict(zip(answer["headings"], row)) for row in answer["data"]]
print(sum(row[sys.argv[2]] for row in rows
          if row["permanent"] == sys.argv[1] and row["protocol"] == "udp"))
' "$(own_of "$1")" "$2"
}

has_counted() {
    [ "$(counted "$1" fragments)" -ge "$2" ]
}

movable_up
start_on laptop echo socat -b 10000 UDP6-RECVFROM:9000,fork EXEC:cat
wait_for 5 "the service" on laptop sh -c 'ss -Huln | grep -q :9000'
for family in 4 6; do
    echo_of $family || fail "$(own_of $family) does not answer"
    assert_equal "$(counted $family mapped)" 1 "mapped"
    # Of 4,000 bytes three, of 8,000 six.
    wait_for 5 "fragments to be counted" has_counted $family 9
done
grep -q "sends fragments, which are not translated" \
    "$sandbox/controller/baton-controller.log" || fail "nothing is said of it"
