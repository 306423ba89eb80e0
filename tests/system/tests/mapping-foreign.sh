#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A10: a mapped session moves to another subnet, and large packets hear of it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

library=$(find "$BATON_BUILD" -name 'libbaton.so.*' -path '*.libs*' |
    sort | head -n 1)
[ -n "$library" ] || skip "no shared library was built"

# talk FAMILY: a datagram and its answer; then, once there is a file "moved",
# as large ones as the correspondent's kernel takes until one is answered.
talk() {
    start_on correspondent talk python3 -c '
import os, socket, sys, time
address, moved = sys.argv[1:]
v4 = ":" not in address
s = socket.socket(socket.AF_INET if v4 else socket.AF_INET6,
                  socket.SOCK_DGRAM)
s.connect((address, 9000))
s.settimeout(0.2)
s.setsockopt(socket.IPPROTO_IP if v4 else 41, 10 if v4 else 23, 2)  # DF
s.send(b"small")
print("answer", s.recv(2000).decode(), flush=True)
while not os.path.exists(moved):
    time.sleep(0.02)
size = 1500 - (28 if v4 else 48)
for _ in range(100):
    try:
        s.send(b"x" * size)
        if len(s.recv(2000)) == size:
            break
    except TimeoutError:
        pass
    except OSError as e:
        size -= 2
print("large", size, flush=True)' "$(own_of "$1")" "$work/moved"
    talk=$pid
}

movable_up --sites=2 --devices=laptop,tv@2
make_file file 6000000
for family in 4 6; do
    rm -f "$work/moved"
    start_on laptop listen python3 "$test_dir/mapped-echo.py" "$library" \
        $family listen
    listen=$pid
    start_on tv accept python3 "$test_dir/mapped-echo.py" "$library" \
        $family accept
    accept=$pid
    wait_for 10 "one service" grep -q ready "$work/listen.txt"
    wait_for 10 "the other one" grep -q ready "$work/accept.txt"
    talk $family
    wait_for 10 "its session" grep -q mapped "$work/listen.txt"
    wait_for 10 "the answer" grep -q answer "$work/talk.txt"
    address=$(sed -n 's/^mapped //p' "$work/listen.txt")
    move laptop "$address" tv
    touch "$work/moved"
    wait_exit 30 $talk || fail "$(cat "$work/talk.err.txt")"
    size=$(sed -n 's/^large //p' "$work/talk.txt")
    if [ "$size" -lt 1300 ] || [ "$size" -gt 1440 ]; then
        fail "datagrams of $size bytes"
    fi
    move tv "$address" laptop
    kill "$listen" "$accept"
    wait_for 10 "the session to go" no_mapped_flows "$address"
done

serve_mapped
address=$(own_of 4)
slow_download file 1000000
curl=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000
find_adopted
move laptop "$session" tv
hurry
wait_exit 20 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
