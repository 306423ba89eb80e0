#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends a VXLAN packet (RFC 7348) with a UDP datagram for port 7777 inside.

usage: forge-vxlan.py FROM TO VNI INNER-MAC INNER-SOURCE INNER-TARGET TEXT
"""

import ipaddress
import socket
import struct
import sys

outer_source, outer_target, vni, mac, source, target, text = sys.argv[1:]


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


source = ipaddress.ip_address(source)
target = ipaddress.ip_address(target)
payload = text.encode()
length = 8 + len(payload)
udp = struct.pack("!HHHH", 7777, 7777, length, 0) + payload
pseudo = source.packed + target.packed + (
    struct.pack("!xBH", 17, length) if source.version == 4
    else struct.pack("!IxxxB", length, 17))
udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp) or 0xFFFF) + udp[8:]
if source.version == 4:
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, 17, 0)
    ip += source.packed + target.packed
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    ethertype = 0x0800
else:
    ip = struct.pack("!IHBB", 0x60000000, length, 17, 64)
    ip += source.packed + target.packed
    ethertype = 0x86DD
ethernet = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("020000000099")
ethernet += struct.pack("!H", ethertype)
vxlan = struct.pack("!II", 0x08000000, int(vni) << 8)

outer = ipaddress.ip_address(outer_source)
s = socket.socket(socket.AF_INET if outer.version == 4 else socket.AF_INET6,
                  socket.SOCK_DGRAM)
s.bind((outer_source, 0))
s.sendto(vxlan + ethernet + ip + udp, (outer_target, 4789))
