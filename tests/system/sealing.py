# SPDX-License-Identifier: Apache-2.0
"""Tickets, made from the formulas of Documentation/wire-protocol.rst alone,
with libcrypto's AES-GCM."""

import ctypes
import ctypes.util
import hashlib
import hmac
import ipaddress
import struct
import uuid

crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
crypto.EVP_CIPHER_CTX_new.restype = ctypes.c_void_p
crypto.EVP_aes_256_gcm.restype = ctypes.c_void_p
GET_TAG = 0x10


def hkdf(secret, salt, info, length=32):
    key = hmac.new(salt or bytes(32), secret, hashlib.sha256).digest()
    out, block, i = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([i]),
                         hashlib.sha256).digest()
        out, i = out + block, i + 1
    return out[:length]


def gcm_seal(key, plain, associated, nonce=bytes(12)):
    ctx = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new())
    out = ctypes.create_string_buffer(len(plain) + 16)
    tag = ctypes.create_string_buffer(16)
    n = ctypes.c_int(0)
    crypto.EVP_EncryptInit_ex(ctx, ctypes.c_void_p(crypto.EVP_aes_256_gcm()),
                              None, key, nonce)
    crypto.EVP_EncryptUpdate(ctx, None, ctypes.byref(n), associated,
                             len(associated))
    crypto.EVP_EncryptUpdate(ctx, out, ctypes.byref(n), plain, len(plain))
    crypto.EVP_EncryptFinal_ex(ctx, tag, ctypes.byref(n))
    crypto.EVP_CIPHER_CTX_ctrl(ctx, GET_TAG, 16, tag)
    crypto.EVP_CIPHER_CTX_free(ctx)
    return out.raw[:len(plain)] + tag.raw


def prefixed(data):
    return struct.pack("!H", len(data)) + data


def terms(sa_id, transfer, session, address, epoch, source, target):
    """AD of the wire protocol."""
    return (b"\1" + struct.pack("!Q", sa_id) + uuid.UUID(transfer).bytes
            + uuid.UUID(session).bytes
            + prefixed(ipaddress.ip_address(address).packed)
            + struct.pack("!Q", epoch) + prefixed(source.encode())
            + prefixed(target.encode()))


def ticket(sa_key, ad, transfer, session_key, onward=3, depth=0):
    key = hkdf(sa_key, uuid.UUID(transfer).bytes, b"baton ticket v1")
    return ad + gcm_seal(key, session_key + bytes([onward, depth]), ad)


def proof(session_key, ad, transfer, sealed_ticket, nonce):
    key = hkdf(session_key, uuid.UUID(transfer).bytes, b"baton claim v1")
    return hmac.new(key, ad + prefixed(hashlib.sha256(sealed_ticket).digest())
                    + prefixed(nonce), hashlib.sha256).digest()
