#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A6: an application that is not root's, on a whole address, over restarts.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"
# shellcheck source=tests/system/whole.sh
. "$test_dir/whole.sh"

"$sandbox_program" policy --in-band --devices=laptop,tv |
    sed '/^  files:/,/command/s/user: root/user: nobody/' > "$work/policy.yaml"
faults_up --in-band --devices=laptop,tv --policy="$work/policy.yaml"
expect_log 'NETDEV|netdev|bridge'
make_file file 60000000
chmod a+x "$work" "$sandbox" "$sandbox/hosts" "$sandbox/hosts/laptop" \
    "$sandbox/hosts/tv"

# as_nobody HOST NAME COMMAND...: start_on(), by that user.
as_nobody() {
    start_on "$1" "$2" setpriv --reuid=nobody --regid=nogroup --clear-groups \
        "${@:3}"
}

# user_of HOST PROGRAM
user_of() {
    ps -o user= -p "$(pids_of "$1" "$2" | head -n 1)"
}


# shown HOST: its agent, started again, has been shown the address, with the
# listener and the connection.
shown() {
    appctl "$1" agent/show | python3 -c '
import json, sys
sys.exit([s["sockets"] for s in json.load(sys.stdin)["sessions"]
          if s["address"] == sys.argv[1]] != [2])' "$own"
}

# keep_lease HOST: for as long as it keeps what nobody shows.
keep_lease() {
    local i
    for ((i = 0; i < 6; i++)); do
        warp "$1" 2700
        on "$1" baton devices > "$work/devices.txt" || fail "no controller"
    done
}

for family in 4 6; do
    own=$(own_of $family)
    wait_for 20 "laptop to have $own" bound laptop "$own"
    wait_for 20 "the controller to know it" has_own laptop "$own"
    rm -f "$work/got-file" "$work/serve.txt"
    as_nobody laptop serve baton-serve --root="$sandbox/files" --port=8080 \
        --service=files --permanent --family=$family
    wait_for 15 "its socket" grep -q ^address "$work/serve.txt"
    address=$own
    slow_download file 1000000
    curl=$pid
    wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 200000

    say "IPv$family: the agent is killed at home"
    assert_equal "$(user_of laptop baton-serve)" nobody "who has it"
    kill_daemon laptop
    restart laptop
    wait_for 20 "laptop to be there" is_registered laptop
    wait_for 10 "the application to show it" shown laptop
    warp laptop 16000
    move laptop "$own" tv

    say "and at the target"
    assert_equal "$(user_of tv baton-serve)" nobody "who has it"
    kill_daemon tv
    restart tv
    wait_for 20 "tv to be there" is_registered tv
    wait_for 10 "the application to show it" shown tv
    keep_lease tv
    before=$(stat -c %s "$work/got-file")
    wait_for 20 "more bytes" file_has_bytes "$work/got-file" \
        $((before + 300000))
    on laptop baton wake "$own" || fail "baton wake"
    wait_for 15 "laptop to have it" bound laptop "$own"

    ! process_ended "$curl" || fail "the download did not last"
    hurry
    wait_exit 60 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
    assert_same_bytes "$work/got-file" "$sandbox/files/file"
    end_application laptop baton-serve
    wait_for 10 "the applications to end" no_programs laptop
done
