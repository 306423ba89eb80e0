#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A11: an application's own redirect tells a correspondent the address.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

sandbox_up
make_file file 30000000
start_on laptop serve baton-serve --root="$sandbox/files" --service=files \
    --redirect=8000 --port=8080
wait_for 10 "baton-serve" grep -q ^redirecting "$work/serve.txt"

for family in 4 6; do
    own=10.1.0.11
    [ $family = 4 ] || own=fd00:1::11
    assert_match "$(on correspondent curl -sS -o /dev/null \
        -w '%{http_code} %{redirect_url}' "http://$(in_url $own):8000/file")" \
        '^307 http://.*:8080/file$' "the answer"
    wait_for 20 "a session that nobody uses to end" no_session laptop .

    rm -f "$work/hurry"
    start_on correspondent "curl-$family" bash -c "set -o pipefail
        curl -sSL --fail http://$(in_url $own):8000/file |
        python3 $test_dir/throttle.py 2000000 $work/hurry > $work/got-file"
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 500000
    find_session laptop
    [ "$address" != $own ] || fail "no address of its own"
    for _ in 1 2; do
        move laptop "$session" tv
        wait_for 5 "its connection on tv" has_connections tv "$address" 1
        move tv "$session" laptop
    done
    move laptop "$session" tv
    hurry
    wait_exit 20 "$curl" || fail "curl: $(cat "$work/curl-$family.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    rm "$work/got-file"
    wait_for 20 "the session to end, where it is" no_session tv .
done
