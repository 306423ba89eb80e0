# SPDX-License-Identifier: Apache-2.0
"""A connection with an agent that stays, and asks for moves: what is measured
is the move, not the start of a program.  The form of the messages is
lib/app-protocol.h's."""

import json
import mmap
import os
import select
import socket
import struct

from sandbox import Failure

HEAD = struct.Struct("=HHI16s16sIiQIII64s64s64s256s512s")
VERSION = 1
HELLO, CALL, RESULT = 1, 11, 73
MAX = HEAD.size + 32768
TYPE, ERROR, TEXT_LEN, REASON = 1, 6, 10, 14


def encode(kind, text=b"", name=b""):
    return HEAD.pack(VERSION, kind, 0, b"", b"", 0, 0, 0, 0, 0, len(text),
                     name, b"", b"", b"", b"") + text


class Agent:
    def __init__(self, sandbox, device):
        self.device = device
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect("%s/hosts/%s/agent.sock"
                            % (sandbox.directory, device))
        self.socket.send(encode(HELLO, name=b"bench"))

    def fileno(self):
        return self.socket.fileno()

    def ask(self, call, **members):
        members["call"] = call
        self.socket.send(encode(CALL, json.dumps(members).encode()))

    def receive(self, timeout=30):
        """The next answer: its rows.  Raises Failure if it is an error."""
        while True:
            if not select.select([self.socket], [], [], timeout)[0]:
                raise Failure("%s's agent does not answer" % self.device)
            data, fds, _, _ = socket.recv_fds(self.socket, MAX, 8)
            if not data:
                raise Failure("%s's agent closed the connection"
                              % self.device)
            head = HEAD.unpack_from(data)
            text = data[HEAD.size:HEAD.size + head[TEXT_LEN]]
            for fd in fds:
                with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as memory:
                    text = memory[:]
                os.close(fd)
            if head[TYPE] == RESULT:
                break
        answer = json.loads(text) if text else {}
        if head[ERROR] or "error" in answer:
            raise Failure("%s: %s" % (self.device, answer.get("error")
                                      or head[REASON].rstrip(b"\0").decode()))
        return answer["rows"]

    def move(self, session, device):
        """Moves it, waits for the end, and returns the transfer's id."""
        self.ask("move", session=session, device=device)
        return self.receive()[0]["transfer"]

    def close(self):
        self.socket.close()


class Controller:
    """Its runtime commands, over one connection."""

    def __init__(self, sandbox):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(sandbox.directory
                            + "/controller/baton-controller.ctl")

    def call(self, command, *params):
        self.socket.sendall(json.dumps({"method": command, "id": 0,
                                        "params": params}).encode())
        data, decoder = b"", json.JSONDecoder()
        while True:
            more = self.socket.recv(1 << 20)
            if not more:
                raise Failure("the controller closed the connection")
            data += more
            try:
                reply = decoder.decode(data.decode())
            except ValueError:
                continue
            if reply["error"] is not None:
                raise Failure("%s: %s" % (command, reply["error"].strip()))
            return json.loads(reply["result"])

    def close(self):
        self.socket.close()
