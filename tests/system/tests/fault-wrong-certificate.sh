#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Certificates of another CA, for another role, of another role's CA: refused.
# shellcheck source=tests/system/fault.sh
. "$(dirname "$0")/../fault.sh"

devices=(laptop tv)
faults_up --devices=laptop,tv,phone
expect_log 'certificate verify failed|unknown ca|bad certificate|SSL_(accept|connect)'
expect_log 'refused: (peer.s|its) certificate names'
pki=$sandbox/pki
trust=$pki/device-trust.pem
make_pki=$(PATH=$BATON_BUILD/utilities:$source_dir/utilities:$PATH \
    command -v baton-pki)
foreign_pki=$work/other-pki
{
    "$make_pki" init "$foreign_pki"
    "$make_pki" device "$foreign_pki" phone
    "$make_pki" controller "$foreign_pki" c1
    "$make_pki" bridge "$pki" br-home
} > /dev/null
# What the devices' CA, and it alone, was brought to sign.
rogue_pki=$work/rogue-pki
mkdir "$rogue_pki"
cp -r "$pki/ca" "$rogue_pki/ca"
for kind in privkey cert; do
    for role in controllers switches; do
        cp "$pki/ca/devices-$kind.pem" "$rogue_pki/ca/$role-$kind.pem"
    done
done
{
    "$make_pki" controller "$rogue_pki" c1
    "$make_pki" bridge "$rogue_pki" br-home
} > /dev/null
expect_log "tls_roles.*comes from .baton devices CA"
make_file file 20000000
serve_on laptop
warm_up --limit-rate 1M
"$sandbox_program" stop "$sandbox" phone
mark_logs

# no_registration NAME: the agent that odd_agent started gets nowhere.
no_registration() {
    ! file_says "$work/$1.log" 'registered with the controller' ||
        fail "it registered"
    BATON_SOCKET=$work/$1.sock
    ! on phone env BATON_SOCKET="$BATON_SOCKET" baton devices \
        > "$work/mover.txt" 2>&1 || fail "it knows devices"
    say "the asker is told: $(cat "$work/mover.txt")"
    assert_match "$(cat "$work/mover.txt")" 'no connection|controller' why
    kill "$pid"
    wait_exit 5 "$pid" || true
}

say "an agent with the certificate of another CA"
odd_agent phone foreign "$foreign_pki/phone" "$trust"
wait_says "$work/foreign.log" 'link.INFO.*no connection|connection .*ended'
assert_logged controller 'certificate verify failed|SSL_accept'
no_registration foreign

say "an agent that trusts another CA: the controller's is foreign to it"
odd_agent phone distrust "$pki/phone" "$foreign_pki/device-trust.pem"
wait_says "$work/distrust.log" 'no connection'
no_registration distrust

say "an agent with the certificate of a bridge"
odd_agent phone bridge "$pki/br-home" "$trust"
! wait_exit 5 "$pid" || fail "it runs"
say "it says: $(cat "$work/bridge.err.txt")"
assert_match "$(cat "$work/bridge.err.txt")" \
    'certificate is of a bridge, not of a device' "why it ends"

say "the same, of a client that does not look at its own certificate"
mark_logs
rogue_on phone <<'END'
for identity in ("br-home", "c1"):
    try:
        with Rogue(sandbox, "phone", certificate=identity) as phone:
            phone.pem = open(sandbox + "/pki/phone-cert.pem").read()
            print(phone.register())
            raise AssertionError("%s was heard" % identity)
    except (EOFError, ConnectionError, ssl.SSLError):
        print(identity + ": closed as it should be")
END
assert_logged controller 'names "bridge/br-home", not "device/NAME"'

say "agents among themselves"
mark_logs
rogue_on phone <<END
import os
def knock(cert, trust="$trust"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(cert + "-cert.pem", cert + "-privkey.pem")
    try:
        s = context.wrap_socket(
            socket.create_connection(("10.255.0.12", 6655), 5))
        # A frame: an empty message about some transfer.
        s.sendall(struct.pack("!IB", 17, 1) + os.urandom(16))
        s.settimeout(3)
        data = s.recv(100)
        assert not data, "answered: %r" % data
        print(cert + ": closed as it should be")
    except (ConnectionError, ssl.SSLError) as e:
        print(cert + ": closed as it should be:", e)

knock("$foreign_pki/phone")
knock("$pki/br-home")
knock("$pki/c1")
END
assert_logged tv 'certificate verify failed|names .bridge/br-home|SSL_accept'

say "a controller that is none"
kill "$curl"
wait_exit 5 "$curl" || true
"$sandbox_program" stop "$sandbox" controller
cat > "$work/false.py" <<END
import socket, ssl, sys, time
identity, trust = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.verify_mode = ssl.CERT_NONE
context.load_cert_chain(identity + "-cert.pem", identity + "-privkey.pem")
listener = socket.create_server(("10.255.0.1", 6654))
print("ready", flush=True)
while True:
    connection = listener.accept()[0]
    try:
        s = context.wrap_socket(connection, server_side=True)
        s.settimeout(3)
        print("heard", s.recv(100), flush=True)
    except (OSError, ssl.SSLError) as e:
        print("failed", e, flush=True)
END
for identity in "$foreign_pki/c1" "$pki/phone" "$pki/br-home" \
    "$rogue_pki/c1"; do
    mark_logs
    start_on switch false python3 "$work/false.py" "$identity" "$foreign_pki"
    false=$pid
    wait_for 5 "it" grep -q ready "$work/false.txt"
    warp tv 10000
    warp laptop 10000
    wait_for 10 "attempts" grep -qE "failed|heard" "$work/false.txt"
    sleep 0.3
    assert_no_match "$(cat "$work/false.txt")" "heard b'.+'" "what it heard"
    [ "$identity" != "$rogue_pki/c1" ] ||
        assert_logged tv 'certificate of a controller comes from'
    assert_logged tv 'certificate verify failed|refused: peer.s certificate names|no connection'
    new_log tv | grep -E 'refused|no connection' | tail -n 1 |
        sed 's/.*|INFO|\|.*|WARN|/    tv: /'
    kill "$false"
    wait_exit 5 "$false" || true
done
! on laptop baton move "$session" tv > "$work/mover.txt" 2>&1 ||
    fail "moved without a controller"
say "the asker is told: $(cat "$work/mover.txt")"
assert_match "$(cat "$work/mover.txt")" 'no controller' "why"
restart controller
warp tv 10000
warp laptop 10000
wait_registered
rest
