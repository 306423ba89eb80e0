#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A7: through Geneve and GRE too, and while controller and agent are killed.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

make_file file 40000000

more_bytes() {
    local before
    before=$(stat -c %s "$work/got-file")
    wait_for 20 "more bytes" file_has_bytes "$work/got-file" \
        $((before + 1000000))
}

for type in geneve gre; do
    say "$type"
    sandbox_up --sites=2 "--devices=laptop,tv@2" --tunnel=$type
    assert_match "$(on switch baton-ctl show)" "$type at 10.1.0.3" "show"
    serve_on laptop
    download file --limit-rate 10M
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 1000000
    move laptop "$session" tv
    more_bytes
    assert_match "$(on switch baton-ctl sessions)" \
        "tunnel to br-site2, port p-tv" "the path that is shown"
    [ $type = gre ] || move tv "$session" laptop
    if [ $type = gre ]; then
        say "the controller is killed, and starts again"
        expect_disconnects
        kill -KILL "$(cat "$sandbox/controller/baton-controller.pid")"
        more_bytes
        "$sandbox_program" start "$sandbox" controller
        more_bytes
        say "the agent is killed, and starts again"
        kill -KILL "$(cat "$sandbox/hosts/tv/baton-agentd.pid")"
        more_bytes
        "$sandbox_program" start "$sandbox" tv
        wait_for 20 "a move home" try_move tv "$session" laptop
        wait_for 10 "tv's route to go" no_rule tv "$address"
    fi
    wait_exit 40 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    assert_equal "$(filtered)" 0 "packets that the router's filters dropped"
    [ $type = gre ] || "$sandbox_program" down "$sandbox"
    rm "$work/got-file" "$work"/serve-*.txt
done
