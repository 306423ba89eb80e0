#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A3: each transfer has a session key of its own, made at random.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

command -v cc >/dev/null || skip "no compiler for what is preloaded"
cc -shared -fPIC -o "$work/random-log.so" "$test_dir/random-log.c" -ldl
sandbox_up
expect_disconnects
make_file file 1000

# Both agents, started again, write down what secrets they make.
for device in laptop tv; do
    "$sandbox_program" stop "$sandbox" $device
    ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=$work/random-log.so \
        RANDOM_LOG=$work/secrets-$device.txt \
        "$sandbox_program" start "$sandbox" $device
    touch "$work/secrets-$device.txt"
done
# However much is asked to be logged.
for daemon in controller/baton-controller hosts/laptop/baton-agentd \
    hosts/tv/baton-agentd; do
    ovs-appctl -t "$sandbox/$daemon.ctl" vlog/set ANY:file:dbg
done
# So that there is a registration, with its security association, too.
"$sandbox_program" stop "$sandbox" laptop
ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=$work/random-log.so \
    RANDOM_LOG=$work/secrets-laptop.txt \
    "$sandbox_program" start "$sandbox" laptop
serve_on laptop

# made HOST: how many, so far.
made() {
    wc -l < "$work/secrets-$1.txt"
}

at=laptop next=tv
for _ in 1 2 3 4 5 6; do
    before=$(made $at)
    move $at "$session" $next
    [ "$(made $at)" -gt "$before" ] || fail "no key was made for this transfer"
    was=$at at=$next next=$was
done
cat "$work"/secrets-*.txt > "$work/secrets.txt"
assert_equal "$(sort "$work/secrets.txt" | uniq -d)" "" "keys made twice"

# None of them is in a log, or in what the operator is shown.
on switch baton-ctl --format=json transfers > "$work/shown.txt"
while read -r key; do
    ! grep -rqi "$key" "$sandbox" "$work/shown.txt" --include='*.log' \
        --include='*.txt' || fail "a key is in a log"
done < "$work/secrets.txt"
! grep -rq 's[a]_key' "$sandbox" --include='*.log' ||
    fail "a security association's key is in a log"
grep -q 'received notification owned' "$sandbox/hosts/tv/baton-agentd.log" ||
    fail "the logs do not say much"
