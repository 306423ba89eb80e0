#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A datagram service on the wildcard address that moves, by libbaton: sends
back what comes, from a socket of its own for each mapped session.

usage: mapped-echo.py LIBRARY FAMILY listen|accept"""

import ctypes
import select
import socket
import sys

PORT = 9000
MAPPED = 0x20000
PAUSE, RESUME, GONE, ARRIVED, OWNED = 1, 2, 3, 4, 5
IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 8, 49, 50


class Event(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("session", ctypes.c_void_p),
                ("error", ctypes.c_int), ("reason", ctypes.c_char_p),
                ("fds", ctypes.POINTER(ctypes.c_int)),
                ("n_fds", ctypes.c_size_t), ("state", ctypes.c_void_p),
                ("state_len", ctypes.c_size_t)]


lib = ctypes.CDLL(sys.argv[1])
family = socket.AF_INET if sys.argv[2] == "4" else socket.AF_INET6
for name, result, arguments in [
        ("baton_open", ctypes.c_void_p, [ctypes.c_char_p] * 2),
        ("baton_fd", ctypes.c_int, [ctypes.c_void_p]),
        ("baton_next_event", ctypes.c_int,
         [ctypes.c_void_p, ctypes.POINTER(Event)]),
        ("baton_session_open", ctypes.c_void_p,
         [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]),
        ("baton_session_add", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
        ("baton_session_answer", ctypes.c_int,
         [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p,
          ctypes.c_size_t]),
        ("baton_session_end", None, [ctypes.c_void_p])]:
    function = getattr(lib, name)
    function.restype, function.argtypes = result, arguments

baton = lib.baton_open(None, b"stream")
sessions = {}                   # handle: socket
running = set()
listener = None


def listen():
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET:
        s.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    else:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    s.bind(("", PORT))
    s.setblocking(False)
    return s


def local_address(ancillary):
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            return socket.inet_ntop(family, data[8:12])
        if level == socket.IPPROTO_IPV6 and kind == IPV6_PKTINFO:
            return socket.inet_ntop(family, data[:16])


def first(data, ancillary, peer):
    """A datagram that no session's socket took."""
    local = local_address(ancillary)
    session = lib.baton_session_open(baton, local.encode(), family | MAPPED,
                                     None)
    if session:
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((local, PORT))
        s.connect(peer[:2])
        s.setblocking(False)
        assert lib.baton_session_add(session, s.fileno()) == 0
        sessions[session] = s
        running.add(session)
        print("mapped", local, flush=True)
    # From the address that it came to: who was told that one knows no other.
    ip = socket.inet_pton(family, local)
    info = ((socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + ip + bytes(4))
            if family == socket.AF_INET else
            (socket.IPPROTO_IPV6, IPV6_PKTINFO, ip + bytes(4)))
    listener.sendmsg([data], [info], 0, peer)


def handle(event):
    session = event.session
    if event.type == PAUSE:
        running.discard(session)
        lib.baton_session_answer(session, None, None, 0)
    elif event.type == ARRIVED:
        s = socket.socket(fileno=event.fds[0])
        s.setblocking(False)
        sessions[session] = s
        lib.baton_session_answer(session, None, None, 0)
    elif event.type in (RESUME, OWNED):
        running.add(session)
    elif event.type == GONE:
        running.discard(session)
        sessions.pop(session).close()
        lib.baton_session_end(session)


def echo(s):
    while True:
        try:
            s.send(s.recv(2000))
        except BlockingIOError:
            return


if sys.argv[3] == "listen":
    listener = listen()
print("ready", flush=True)
while True:
    ready, _, _ = select.select(
        [lib.baton_fd(baton)] + ([listener] if listener else [])
        + [sessions[s] for s in running], [], [])
    event = Event()
    while lib.baton_next_event(baton, ctypes.byref(event)) > 0:
        handle(event)
    for session in list(running):
        echo(sessions[session])
    if listener in ready:
        try:
            while True:
                data, ancillary, _, peer = listener.recvmsg(2000, 200)
                first(data, ancillary, peer)
        except BlockingIOError:
            pass
