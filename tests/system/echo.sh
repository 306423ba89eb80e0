# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Numbered datagrams that a service which moves sends back (mapped-echo.py), and
# whether each of them came; beside lib.sh and mapped.sh.

library=$(find "$BATON_BUILD" -name 'libbaton.so.*' -path '*.libs*' |
    sort | head -n 1)
[ -n "$library" ] || skip "no shared library was built"

# talk ADDRESS: numbered datagrams from one socket of the correspondent, 500 a
# second until there is a file "enough"; then how many came back, and how.
talk() {
    start_on correspondent talk python3 -c '
import os, socket, sys, time
address, enough = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                  socket.SOCK_DGRAM)
s.connect((address, 9000))
s.setblocking(False)
sent, got, end = 0, [], None

def receive():
    try:
        while True:
            got.append(int(s.recv(100)))
    except BlockingIOError:
        pass

while True:
    if end is None and os.path.exists(enough):
        end = time.monotonic() + 2
    if end is None:
        s.send(b"%d" % sent)
        sent += 1
    elif time.monotonic() > end or len(got) >= sent:
        break
    time.sleep(0.002)
    receive()
receive()
print("sent", sent, "lost", sent - len(set(got)), "twice",
      len(got) - len(set(got)), flush=True)' "$1" "$work/enough"
    talk=$pid
}

# echo_up FAMILY: the service on laptop, which has its port, and on tv, which
# takes sessions.
echo_up() {
    rm -f "$work/enough"
    start_on laptop listen python3 "$test_dir/mapped-echo.py" "$library" \
        "$1" listen
    listen=$pid
    start_on tv accept python3 "$test_dir/mapped-echo.py" "$library" \
        "$1" accept
    accept=$pid
    wait_for 10 "the service" grep -q ready "$work/listen.txt"
    wait_for 10 "the other one" grep -q ready "$work/accept.txt"
}

# check_moves: the session moves to and fro, and nothing is lost; sets
# 'address'.
check_moves() {
    wait_for 10 "its session" grep -q mapped "$work/listen.txt"
    address=$(sed -n 's/^mapped //p' "$work/listen.txt")
    for _ in 1 2 3; do
        move laptop "$address" tv
        move tv "$address" laptop
    done
    move laptop "$address" tv
    touch "$work/enough"
    wait_exit 20 "$talk" || fail "$(cat "$work/talk.err.txt")"
    assert_match "$(cat "$work/talk.txt")" '^sent [0-9]+ lost 0 twice 0$' \
        "what came back"
    cat "$work/talk.txt"
}

echo_down() {
    kill "$listen" "$accept"
}
