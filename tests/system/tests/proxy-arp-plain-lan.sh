#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A15: a LAN without a switch of ours: the devices say themselves who has it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

# Devices that forward IP: what is late must not come by their kernels too.
sandbox_up --plain-lan
for host in laptop tv; do
    on $host sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
done

# neighbour ADDRESS: whose it is, as the correspondent believes.
neighbour() {
    on correspondent ip neigh show "$1" dev eth0 |
        sed -n 's/.*lladdr \([^ ]*\).*/\1/p'
}

believes() {
    [ "$(neighbour "$1")" = "$(mac_of "$2")" ]
}

# watch NAME FILTER: at the correspondent, until unwatch.
watch() {
    start_on correspondent "watch-$1" tcpdump -n -e -l --immediate-mode \
        -i eth0 -Q in "$2"
    watcher=$pid
    wait_for 5 "tcpdump" grep -q listening "$work/watch-$1.err.txt"
}

unwatch() {
    kill "$watcher"
    wait "$watcher" || true
}

# announced NAME MAC TIMES
announced() {
    [ "$(grep -c "$2 > $everybody" "$work/watch-$1.txt")" -ge "$3" ]
}

make_file file 40000000
for family in 4 6; do
    serve_on laptop --family=$family
    if [ $family = 4 ]; then
        everybody=ff:ff:ff:ff:ff:ff repeats=2
        filter="arp src host $address and arp[6:2] == 1 and arp[24:4] == arp[14:4]"
    else
        everybody=33:33:00:00:00:01 repeats=3
        filter="icmp6 and ip6[40] == 136 and ether dst $everybody and src host $address"
    fi
    # Its memory of the address is warm, and it asks nobody.
    slow_download file 2000000
    download=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000
    believes "$address" laptop || fail "$(neighbour "$address") has it"

    for to in tv laptop; do
        from=laptop
        [ $to = tv ] || from=tv
        watch "$to$family" "$filter"
        move $from "$session" $to
        wait_for 2 "the announcement at the correspondent" \
            believes "$address" $to
        wait_for 8 "$repeats announcements" \
            announced "$to$family" "$(mac_of $to)" $repeats
        # (Of when it was its own may be one before.)
        assert_equal "$(sed "1,/$(mac_of $to) > /d" "$work/watch-$to$family.txt" |
            grep -c "$(mac_of $from) > ")" 0 "announcements of the former owner"
        unwatch
        # It answers for it, and nobody else.
        watch "who$to$family" "(arp[6:2] == 2 and src host $address) or
            (icmp6 and ip6[40] == 136 and src host $address)"
        on correspondent ip neigh flush dev eth0
        wait_for 5 "who has it" believes "$address" $to
        ! grep "$(mac_of $from) > " "$work/watch-who$to$family.txt" ||
            fail "$from speaks of it"
        unwatch
    done
    hurry
    wait_exit 40 "$download" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    rm "$work/got-file"
    end_application laptop baton-serve
    wait_for 10 "the session to end" no_session laptop "$session"
done

# Datagrams, both ways; blackout and order as they are.
seconds=6
rate=1000
total=$((seconds * rate))

# received PID NAME N
received() {
    [ "$(count "$(summary "$1" "$2")" received)" -ge "$3" ]
}

# assert_whole PID NAME
assert_whole() {
    local line key
    line=$(summary "$1" "$2")
    say "$2: $line"
    for key in duplicated stale wrong lost; do
        assert_equal "$(count "$line" $key)" 0 "$2: $key"
    done
}

for family in 4 6; do
    far_address=10.1.0.2
    [ $family = 4 ] || far_address=fd00:1::2
    start_on correspondent "far$family" baton-stream --correspondent \
        --family=$family --port=9000 --rate=$rate --count=$total
    far=$pid
    wait_for 5 "its start" grep -q ^address "$work/far$family.txt"
    start_on tv "tv$family" baton-stream --service=stream --accept
    tv=$pid
    start_on laptop "laptop$family" baton-stream --service=stream --accept \
        --open --family=$family --port=9000 --rate=$rate --count=$total \
        --send="$(in_url $far_address):9000"
    laptop=$pid
    find_session laptop
    end=$((SECONDS + seconds - 1)) moves=0
    while [ $SECONDS -lt $end ]; do
        move laptop "$session" tv
        move tv "$session" laptop
        moves=$((moves + 2))
    done
    [ $moves -ge 20 ] || fail "only $moves moves"
    wait_for 10 "all at the correspondent" received "$far" "far$family" $total
    wait_for 10 "all at the device" received "$laptop" "laptop$family" $total
    assert_whole "$far" "far$family"
    assert_whole "$laptop" "laptop$family"

    # One that hears no announcement.  All that it sends goes to laptop, whose
    # agent passes it on; laptop's kernel, which forwards, does not.
    start_on correspondent "deaf$family" baton-stream --correspondent \
        --family=$family --port=9001 --rate=500 --count=3000
    deaf=$pid
    wait_for 5 "its start" grep -q ^address "$work/deaf$family.txt"
    start_on laptop "again$family" baton-stream --service=stream --open \
        --family=$family --port=9001 --rate=1 --name=again \
        --send="$(in_url $far_address):9001"
    again=$pid
    find_session laptop again
    on correspondent ip neigh replace "$address" dev eth0 nud permanent \
        lladdr "$(mac_of laptop)"
    move laptop "$session" tv
    wait_for 20 "all at tv" received "$tv" "tv$family" 3000
    assert_equal "$(neighbour "$address")" "$(mac_of laptop)" "what it believes"
    assert_whole "$tv" "tv$family"
    # Back, where they still go.
    move tv "$session" laptop
    wait_for 5 "laptop to have the address" has_address laptop "$address"
    on correspondent ip neigh del "$address" dev eth0
    kill "$far" "$tv" "$laptop" "$deaf" "$again" 2>/dev/null || true
    for ending in "$far" "$laptop" "$tv" "$deaf" "$again"; do
        wait_exit 5 "$ending" || true
    done
    wait_for 10 "the sessions to end" no_session laptop .
done

# Somebody else says that it has the address: the one who has says otherwise.
expect_log 'speaks for this address'
for family in 4 6; do
    serve_on laptop --family=$family
    download file --max-filesize 100000000
    wait_exit 30 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    on tv python3 - "$address" "$(mac_of tv)" <<'END'
import ipaddress, socket, struct, sys
address = ipaddress.ip_address(sys.argv[1])
mac = bytes.fromhex(sys.argv[2].replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
if address.version == 4:
    a = address.packed
    s.send(b"\xff" * 6 + mac + b"\x08\x06" +
           struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + mac + a + bytes(6) + a)
else:
    to = ipaddress.ip_address("ff02::1").packed
    na = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + address.packed
    na += b"\x02\x01" + mac
    pseudo = address.packed + to + struct.pack("!II", len(na), 58) + na
    n = sum(struct.unpack("!%dH" % (len(pseudo) // 2), pseudo))
    n = (n & 0xffff) + (n >> 16)
    n = ~((n & 0xffff) + (n >> 16)) & 0xffff
    na = na[:2] + struct.pack("!H", n) + na[4:]
    s.send(b"\x33\x33\0\0\0\1" + mac + b"\x86\xdd" +
           struct.pack("!IHBB", 0x60000000, len(na), 58, 255) +
           address.packed + to + na)
END
    defended() {
        grep -q "$address: .* speaks for this address" \
            "$sandbox/hosts/laptop/baton-agentd.log"
    }
    wait_for 5 "laptop to notice" defended
    wait_for 2 "the correspondent to believe laptop" believes "$address" laptop
    end_application laptop baton-serve
    wait_for 10 "the session to end" no_session laptop .
done

# A device that does not talk from the LAN is not on it, and gets nothing there.
serve_on laptop
sed -i 's/^lans:/&\n  other: {subnets: [10.3.0.0\/24]}/; s/^  tv: .*/  tv: {lan: other}/' \
    "$sandbox/controller/policy.yaml"
on switch baton-ctl policy reload
attached() {
    on switch baton-ctl --format=csv devices | python3 -c '
import csv, sys
print(next(d["attached"] for d in csv.DictReader(sys.stdin)
           if d["name"] == sys.argv[1]))' "$1"
}
not_attached() {
    [ "$(attached "$1")" = false ]
}
wait_for 5 "tv not to be on it" not_attached tv
assert_equal "$(attached laptop)" true "laptop"
! try_move laptop "$session" tv || fail "it moved"
assert_match "$(cat "$work/move.txt")" "not proved where it is" "why not"
# Nor if policy says so, but it has no interface there.
sed -i 's/^  other: .*/  other: {subnets: [10.3.0.0\/24], proof: policy}/' \
    "$sandbox/controller/policy.yaml"
on switch baton-ctl policy reload
! try_move laptop "$session" tv || fail "it moved"
assert_equal "$(attached tv)" false "tv"
