#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A11: a correspondent is told a session's address by the name service.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/system/mapped.sh
. "$(dirname "$0")/../mapped.sh"

movable_up --in-band
make_file file 30000000
echo "nameserver 10.1.0.4" > "$work/resolv.conf"

# by_name HOST...: the command, where the controller is the name server.
by_name() {
    on correspondent bash -c "mount --bind $work/resolv.conf /etc/resolv.conf
        exec \"\$@\"" by_name "$@"
}

# ask NAME TYPE [OPTION...]: the answers' data.
ask() {
    on correspondent dig @10.1.0.4 +tries=1 +time=3 +short "$@"
}

# status NAME TYPE [OPTION...]: the response code.
status() {
    on correspondent dig @10.1.0.4 +tries=1 +time=3 "$@" |
        sed -n 's/.*status: \([A-Z]*\).*/\1/p'
}

# told KEY: what the controller counts.
told() {
    on switch ovs-appctl -t "$sandbox/controller/baton-controller.ctl" \
        baton/show | python3 -c '
import json, sys
print(json.load(sys.stdin)["names"][sys.argv[1]])' "$1"
}

none_unused() {
    [ "$(told unused)" = 0 ] && no_session laptop "web for"
}

# none_but SESSION
none_but() {
    [ "$(sessions laptop | grep -c "web for")" = 1 ] &&
        has_session laptop "$1"
}

# Nobody serves yet.
assert_equal "$(status web.move.example A)" SERVFAIL "nobody serves"
serve_mapped

# Each question gets an address of its own, of the device's block.
first=$(ask web.move.example A)
assert_match "$first" '^10\.1\.0\.(12[89]|1[3-9][0-9]|2[0-9][0-9])$' "an address"
second=$(ask web.move.example A +tcp)
assert_match "$second" '^10\.1\.0\.(12[89]|1[3-9][0-9]|2[0-9][0-9])$' "by TCP"
[ "$first" != "$second" ] || fail "the same address twice"
assert_match "$(ask WEB.Laptop.move.example AAAA)" '^fd00:1::5e55:' "of IPv6"
assert_match "$(ask web.move.example A @fd00:1::4)" '^10\.1\.0\.' "by IPv6"
assert_match "$(on correspondent dig @10.1.0.4 +noall +answer web.move.example A)" \
    '^web.move.example\.[[:space:]]+1[[:space:]]+IN[[:space:]]+A' "the TTL"
has_address laptop "$first" || fail "laptop does not have $first"

# The rest of the zone, and what is not in it.
assert_match "$(ask move.example SOA)" '^ns\.move\.example\. ' "SOA"
assert_equal "$(ask move.example NS)" ns.move.example. "NS"
assert_equal "$(ask ns.move.example A)" 10.1.0.4 "its address"
assert_equal "$(ask web.move.example TXT)" "" "no such record"
assert_equal "$(status web.move.example TXT)" NOERROR "no such record"
assert_equal "$(status nothing.move.example A)" NXDOMAIN "no such name"
assert_equal "$(status web.tv.move.example A)" NXDOMAIN "not on that device"
assert_equal "$(status example.org A)" REFUSED "another zone"

# What nobody uses is taken back.
wait_for 20 "unused addresses to go" none_unused
no_address laptop "$first" || fail "$first is still there"
no_address laptop "$second" || fail "$second is still there"

# Stock programs: getaddrinfo() and curl.
by_name python3 -c '
import socket
families = {i[0] for i in socket.getaddrinfo("web.move.example", 8080,
                                             type=socket.SOCK_STREAM)}
assert families == {socket.AF_INET, socket.AF_INET6}, families'
for family in 4 6; do
    rm -f "$work/hurry"
    start_on correspondent "curl-$family" bash -c "set -o pipefail
        mount --bind $work/resolv.conf /etc/resolv.conf
        curl -sS --fail -$family http://web.move.example:8080/file |
        python3 $test_dir/throttle.py 2000000 $work/hurry > $work/got-file"
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000
    # Of those it was told, the one that it uses.
    used=$(on correspondent ss -H -tn state established dport = :8080 |
        sed 's/.* \[*\([^] ]*\)\]*:8080.*/\1/')
    find_session laptop " $used "
    for _ in 1 2; do
        move laptop "$session" tv
        wait_for 5 "its connection on tv" has_connections tv "$address" 1
        move tv "$session" laptop
    done
    wait_for 20 "the others to go" none_but "$session"
    has_address laptop "$address" || fail "the session's address is gone"
    hurry
    wait_exit 20 "$curl" || fail "curl: $(cat "$work/curl-$family.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    rm "$work/got-file"
    wait_for 20 "the session to end" no_session laptop "$session"
done

# A service that knows nothing of Baton keeps its address while it is used, and
# loses it afterwards.
kill "$(pids_of laptop baton-serve)"
wait_for 10 "baton-serve to end" none_unused
start_on laptop server python3 -m http.server --bind :: \
    --directory "$sandbox/files" 8080
wait_for 10 "the server" on laptop \
    curl -sS -o /dev/null http://10.1.0.11:8080/file
rm -f "$work/hurry"
address=$(ask web.move.example A)
slow_download file 2000000
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000
sleepless=$((SECONDS + 9))
used_long() {
    [ $SECONDS -ge $sleepless ]
}
wait_for 12 "twice the time of an unused one" used_long
has_address laptop "$address" || fail "$address is gone"
hurry
wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
wait_for 20 "the address to go" no_address laptop "$address"

# One who asks and asks gets the permanent address in the end.
for _ in {1..40}; do
    echo "web.move.example A"
done > "$work/questions"
on correspondent dig @10.1.0.4 +short -f "$work/questions" > "$work/answers"
assert_equal "$(grep -c . "$work/answers")" 40 "answers"
assert_equal "$(tail -n 1 "$work/answers")" 10.1.0.11 "the last of them"
[ "$(sort -u "$work/answers" | wc -l)" -le 33 ] || fail "too many addresses"
wait_for 20 "unused addresses to go" none_unused

# Other names, as policy says.
start_on tv resolver python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.1.0.12", 53))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(4096)
    # That name does not exist.
    s.sendto(data[:2] + b"\x81\x83" + data[4:], peer)'
wait_for 5 "the resolver" grep -q ready "$work/resolver.txt"
sed -i 's/^  zone: .*/&\n  others: 10.1.0.12/' \
    "$sandbox/controller/policy.yaml"
on switch baton-ctl policy reload
assert_equal "$(status example.org A)" NXDOMAIN "what the resolver says"
assert_equal "$(ask ns.move.example A)" 10.1.0.4 "ours still"
