#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A device that speaks the device link (Documentation/wire-protocol.rst) by
hand, to say what an honest agent never says.

    with Rogue(sandbox, "phone") as phone:
        phone.register()
        result, error = phone.request("introduce", {...})

Runs on that device's host (rogue_on in lib.sh).
"""

import base64
import hashlib
import hmac
import json
import select
import socket
import ssl
import struct
import time
import uuid

ETHERTYPE = 0x88B5
ATTACH_TO = bytes.fromhex("030000ba7000")


class Rogue:
    def __init__(self, sandbox, name, certificate=None,
                 controller="10.255.0.1"):
        """Connects with the certificate of 'certificate' or 'name'."""
        pki = sandbox + "/pki/"
        identity = pki + (certificate or name)
        self.name = name
        with open(identity + "-cert.pem") as f:
            self.pem = f.read()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(pki + "device-trust.pem")
        context.load_cert_chain(identity + "-cert.pem",
                                identity + "-privkey.pem")
        self.socket = context.wrap_socket(
            socket.create_connection((controller, 6654), 10))
        self.buffer = ""
        self.next_id = 1
        self.notes = []          # Notifications that came: (method, params).

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, message):
        self.socket.sendall(json.dumps(message).encode())

    def notify(self, method, params):
        self.send({"method": method, "params": [params], "id": None})

    def read(self, seconds=5):
        """The next message; None when there is none in time; EOFError."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                message, end = json.JSONDecoder().raw_decode(self.buffer)
                self.buffer = self.buffer[end:].lstrip()
                return message
            except ValueError:
                pass
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if not self.socket.pending():
                if not select.select([self.socket], [], [], left)[0]:
                    return None
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the controller closed the connection")
            self.buffer += data.decode()

    def pump(self, seconds=5):
        """Reads one message and does what is always done with it.  Returns
        it, or None."""
        message = self.read(seconds)
        if message is None:
            return None
        if message.get("method") == "echo":
            self.send({"result": message["params"], "error": None,
                       "id": message["id"]})
        elif message.get("method"):
            self.notes.append((message["method"], message["params"][0]))
        return message

    def request(self, method, params, seconds=5):
        """Returns (result, error): one of them is None."""
        request_id = self.next_id
        self.next_id += 1
        self.send({"method": method, "params": [params], "id": request_id})
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            message = self.pump(deadline - time.monotonic())
            if message and message.get("id") == request_id \
                    and message.get("method") is None:
                return message.get("result"), message.get("error")
        raise TimeoutError("no answer to " + method)

    def wait_note(self, method, seconds=5):
        """The parameters of the next notification 'method', or None."""
        deadline = time.monotonic() + seconds
        while True:
            for i, (name, params) in enumerate(self.notes):
                if name == method:
                    del self.notes[i]
                    return params
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.pump(left)

    def register(self, sessions=(), highest=(), endpoint="ssl:10.255.0.99:1"):
        result, error = self.request("register", {
            "version": 1, "certificate": self.pem, "endpoint": endpoint,
            "highest": list(highest), "sessions": list(sessions)})
        if result:
            self.sa_id = int(result["sa_id"], 16)
            self.sa_key = base64.b64decode(result["sa_key"])
        return result, error

    def attach(self, interface="eth0", seconds=5):
        """Proves where we are; the parameters of "attached", or None."""
        challenge = self.wait_note("attach-challenge", seconds)
        if not challenge:
            return None
        nonce = base64.b64decode(challenge["nonce"])
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                            socket.htons(ETHERTYPE))
        tap.bind((interface, ETHERTYPE))
        mac = tap.getsockname()[4]
        sa_id = struct.pack("!Q", self.sa_id)
        proof = hmac.new(self.sa_key, b"baton attach v1" + sa_id + nonce
                         + mac, hashlib.sha256).digest()
        tap.send(ATTACH_TO + mac + struct.pack("!H", ETHERTYPE)
                 + b"BATN" + bytes([1, 1]) + sa_id + nonce + proof)
        tap.settimeout(seconds)
        while True:
            frame = tap.recv(2048)
            if frame[14:20] == b"BATN" + bytes([1, 2]):
                break
        tap.close()
        echo = frame[28:44]
        self.notify("attach-echo",
                    {"nonce": base64.b64encode(echo).decode()})
        return self.wait_note("attached", seconds)


def new_uuid():
    return str(uuid.uuid4())


def expect_error(answer, *codes):
    """'answer' of request() is a refusal with one of 'codes'."""
    result, error = answer
    assert result is None, "accepted: %r" % (result,)
    assert error["code"] in codes, "code %r, expected %r" % (error, codes)
    assert error["reason"], "no reason given"
    print("refused as it should be: %s: %s" % (error["code"],
                                               error["reason"]))
