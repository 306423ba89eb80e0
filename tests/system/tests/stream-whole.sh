#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A18: TCP streams stay whole, with programs that nobody here wrote.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up
make_file file 20000000
make_file bulk 150000000
serve_on laptop
at=laptop
elsewhere=tv

move_once() {
    local was=$at
    move $at "$session" $elsewhere
    at=$elsewhere elsewhere=$was
}

# move_while PID FILE: as long as it runs; it must not be over at once.
move_while() {
    local n=0
    wait_for 10 "the first bytes" file_has_bytes "$2" 1
    until process_ended "$1"; do
        move_once
        n=$((n + 1))
    done
    [ $n -ge 3 ] || fail "only $n moves during the stream"
    wait_exit 1 "$1" || fail "it ended badly: $(cat "$work"/*.err.txt)"
}

say "curl, at the speed of a video"
download file --limit-rate 5M
move_while "$pid" "$work/got-file"
assert_same_bytes "$work/got-file" "$sandbox/files/file"

say "curl, as fast as it goes"
download bulk
move_while "$pid" "$work/got-bulk"
assert_same_bytes "$work/got-bulk" "$sandbox/files/bulk"

say "curl: a part of a file, then another one, on one connection"
start_on correspondent parts curl -sS --fail --limit-rate 5M -w '%{num_connects} ' \
    -r 5000000-14999999 -o "$work/part" "http://$address:8080/file" --next \
    -sS --fail --limit-rate 5M -w '%{num_connects} ' -o "$work/whole" \
    "http://$address:8080/file"
move_while "$pid" "$work/part"
assert_equal "$(cat "$work/parts.txt")" "1 0 " "connections that curl made"
dd if="$sandbox/files/file" of="$work/expected" bs=1000000 skip=5 count=10 \
    status=none
assert_same_bytes "$work/part" "$work/expected"
assert_same_bytes "$work/whole" "$sandbox/files/file"

# Programs that just pass bytes, slowly.
for program in "nc $address 8080" "socat - TCP:$address:8080"; do
    say "$program"
    start_on correspondent plain bash -c "
        set -o pipefail
        { printf 'GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
          sleep 60; } | timeout 55 $program |
        python3 $test_dir/throttle.py 5000000 > $work/plain.out & reader=\$!
        wait \$reader; exit 0"
    reader=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/plain.out" 1
    for _ in 1 2 3 4 5; do
        move_once
    done
    wait_for 30 "the whole file" file_has_bytes "$work/plain.out" 20000100
    kill "$reader" 2>/dev/null || true
    python3 - "$work/plain.out" "$work/plain.body" <<'END'
import sys
data = open(sys.argv[1], "rb").read()
open(sys.argv[2], "wb").write(data[data.index(b"\r\n\r\n") + 4:])
END
    assert_same_bytes "$work/plain.body" "$sandbox/files/file"
    rm "$work/plain.out"
done
