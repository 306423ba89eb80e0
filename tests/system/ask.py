#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ask.py INTERFACE ADDRESS MAC: asks the host with that MAC address, by the
link layer alone, whether it has ADDRESS: by ARP or neighbour discovery, by a
ping, by a datagram and by a SYN.  It should not answer; who listens sees."""

import ipaddress
import socket
import struct
import sys


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_packet(source, target, protocol, payload):
    if target.version == 4:
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0,
                             255, protocol, 0, source.packed, target.packed)
        return header[:10] + struct.pack("!H", checksum(header)) \
            + header[12:] + payload
    return struct.pack("!IHBB16s16s", 6 << 28, len(payload), protocol, 255,
                       source.packed, target.packed) + payload


def summed(source, target, protocol, payload, place):
    """'payload' with its checksum at 'place', over the pseudo header."""
    pseudo = source.packed + target.packed \
        + struct.pack("!II", len(payload), protocol)
    if target.version == 4 and protocol == 1:
        pseudo = b""
    value = struct.pack("!H", checksum(pseudo + payload))
    return payload[:place] + value + payload[place + 2:]


interface, address, mac = sys.argv[1:]
target = ipaddress.ip_address(address)
mac = bytes.fromhex(mac.replace(":", ""))
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
tap.bind((interface, 0))
own = tap.getsockname()[4]
if target.version == 4:
    source = ipaddress.ip_address("10.1.0.2")
    ether = b"\x08\x00"
    tap.send(mac + own + b"\x08\x06" + struct.pack(
        "!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, own, source.packed, bytes(6),
        target.packed))
    icmp, echo = 1, 8
else:
    source = ipaddress.ip_address("fd00:1::2")
    ether = b"\x86\xdd"
    icmp, echo = 58, 128
    tap.send(mac + own + ether + ip_packet(source, target, 58, summed(
        source, target, 58, struct.pack("!BBHI16sBB6s", 135, 0, 0, 0,
                                        target.packed, 1, 1, own), 2)))
tap.send(mac + own + ether + ip_packet(source, target, icmp, summed(
    source, target, icmp, struct.pack("!BBHHH", echo, 0, 0, 1, 1), 2)))
tap.send(mac + own + ether + ip_packet(source, target, 17, summed(
    source, target, 17, struct.pack("!HHHH", 4000, 4001, 8, 0), 6)))
tap.send(mac + own + ether + ip_packet(source, target, 6, summed(
    source, target, 6, struct.pack("!HHIIBBHHH", 4000, 4001, 1, 0, 5 << 4, 2,
                                   1000, 0, 0), 16)))
