#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A2: the target can refuse, with a reason, and nothing changes.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../lib.sh"

# On tv the service runs, but does not have the file.
policy=$work/policy.yaml
"$sandbox_program" policy > "$policy"
mkdir -p "$work/empty"
python3 - "$policy" "$work/empty" <<'END'
import sys
name, empty = sys.argv[1:]
text = open(name).read().replace("@FILES@", empty)
open(name, "w").write(text)
END
sandbox_up --policy="$policy"
make_file file 20000000
serve_on laptop
slow_download file 2000000
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 1000000

for target in tv nobody laptop; do
    if try_move laptop "$session" $target; then
        fail "moved to $target"
    fi
    say "$target: $(cat "$work/move.txt")"
    # A sentence, for the person who asked.
    assert_match "$(cat "$work/move.txt")" '[a-z]+ [a-z]+ [a-z]+' "the reason"
    assert_connections laptop 1
    has_session laptop "$session" >/dev/null || fail "laptop has it no more"
done
has_session tv "$session" >/dev/null && fail "tv has it"
assert_connections tv 0
hurry
wait_exit 20 "$pid" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
