#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A target that refuses: policy, service, user, application; nothing changes.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

# phone may not have it; on car the service does not run; on desk there is
# nothing to start; on shed it is another user's.
devices=(laptop tv phone car desk shed)
"$sandbox_program" policy --devices=laptop,tv,phone,car,desk,shed |
    python3 -c '
import sys
text = sys.stdin.read()
head, services = text.split("services:\n")
services, moves = services.split("moves:\n")
files, stream = services.split("  stream:\n")
print(head + "services:\n"
      + files.replace("[\"*\"]", "[laptop, tv, phone]")
      + "  stream:\n    devices: [laptop, desk]\n    user: root\n"
      + "  other:\n    devices: [laptop, shed]\n    user: daemon\n"
      + "moves:\n  - {from: laptop, to: phone, allow: false}\n" + moves,
      end="")' > "$work/policy.yaml"
faults_up --devices=laptop,tv,phone,car,desk,shed --policy="$work/policy.yaml"
make_file file 24000000
serve_on laptop
warm_up --slow 400000

# refused DEVICE REGEX [BATON-OPTION...]
refused() {
    local target=$1 regex=$2
    shift 2
    mark_logs
    ! on laptop baton "$@" move "$session" "$target" \
        > "$work/mover.txt" 2>&1 || fail "moved to $target"
    move_said=$(cat "$work/mover.txt")
    assert_match "$move_said" "$regex" "the reason for the asker"
    say "$target: $move_said"
    rest
    assert_equal "$owner" laptop "who has it"
}

say "policy"
refused phone 'policy'
refused nobody 'policy knows no device nobody'
refused laptop 'the session is on this device'

refused car 'policy does not let service files run on car'

say "the target's agent"
refused desk 'no application waits for service "stream"' --service=stream
assert_told laptop controller desk
refused shed 'no application waits for service "other"' --service=other
assert_told laptop controller shed
mark_fds            # Agents that have met stay connected.
on tv ip address add "$address/32" dev lo
mark_logs
begin_move laptop "$session" tv
move_fails 'the address is in use on this device'
assert_told laptop controller tv
on tv ip address del "$address/32" dev lo
rest

say "the target's application, which does not have the file"
# The one that was started for the session would wait before it.
end_application tv baton-serve
start_on tv empty baton-serve --root="$work" --service=files --accept
empty=$pid
wait_for 5 "its start" on tv sh -c "ss -xp | grep -q baton-serve"
sleep 0.5
refused tv 'the application refused: .'
assert_told laptop controller tv
kill "$empty"
wait_exit 5 "$empty" || true
assert_no_more_fds

say "and now it does not refuse"
move laptop "$session" tv
assert_whole
end_session
