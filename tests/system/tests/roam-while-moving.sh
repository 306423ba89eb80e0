#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A16: a device goes to another site while a session moves from it, or to it.
# shellcheck source=tests/system/roam.sh
. "$(dirname "$0")/../roam.sh"
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

roam_up --sites=3 --devices=laptop,tv@2 --daemon-option=--enable-dummy
appctl controller fault/list > /dev/null 2>&1 ||
    skip "built without --enable-fault-injection"
at_site[laptop]=1 at_site[tv]=2
make_file file 160000000

udp_up laptop
serve_on laptop
slow_download file 1000000
curl=$pid
wait_for 10 "the first bytes" file_has_bytes "$work/got-file" 300000

# after SITE: another one.
after() {
    echo $(($1 % 3 + 1))
}

# goes_on: the session has one owner, which both streams show.
goes_on() {
    rest 30
    more_bytes file
    udp_more
    say "$1: $(grep -v '^$' "$work/mover.txt" | head -n 1); with $owner"
}

# Who stops where, and who goes away meanwhile, and what must become of it.
owner=laptop other=tv
while read -r stops point roams must; do
    from=$owner to=$other
    declare -A is=([owner]=$from [target]=$to [controller]=controller)
    who=${is[$stops]} roamer=${is[$roams]}
    set_fault "$who" "$point" stop
    begin_move "$from" "$session" "$to"
    wait_stopped "$who"
    site=$(after "${at_site[$roamer]}")
    pull "$roamer"
    put "$roamer" "$site" "p-$roamer"
    # Its proof comes while the other one is stopped, or right after that.
    if [ "$who" != controller ]; then
        wait_for 10 "$roamer to be placed" \
            is_placed "$roamer" "$site" "p-$roamer"
    fi
    go_on "$who"
    end_move 30 || true
    wait_for 10 "$roamer to be placed" is_placed "$roamer" "$site" "p-$roamer"
    goes_on "$stops stopped at $point, $roams to site $site"
    case $must in
    stays) [ "$owner" = "$from" ] || fail "it moved" ;;
    moves) [ "$owner" = "$to" ] || fail "it did not move" ;;
    esac
done <<'CASES'
owner give/introduced target stays
owner give/captured target stays
target take/restored owner stays
controller controller/redirect owner any
controller controller/flows target moves
controller controller/written target moves
controller controller/written owner moves
CASES

say "at any moment"
for late in 004 008 010 014; do
    for roams in from to; do
        from=$owner to=$other roamer=${!roams}
        site=$(after "${at_site[$roamer]}")
        begin_move "$from" "$session" "$to"
        sleep 0.$late
        pull "$roamer"
        put "$roamer" "$site" "p-$roamer"
        end_move 30 || true
        wait_for 10 "$roamer to be placed" \
            is_placed "$roamer" "$site" "p-$roamer"
        goes_on "0.$late s, $roams to site $site"
    done
done
udp_check

! process_ended "$curl" || fail "the download did not last"
hurry
wait_exit 60 "$curl" || fail "curl: $(cat "$work/curl-file.err.txt")"
assert_same_bytes "$work/got-file" "$sandbox/files/file"
