#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Passes standard input on, at most BYTES a second.

usage: throttle.py BYTES
"""

import os
import sys
import time

rate = int(sys.argv[1])
begin, passed = time.monotonic(), 0
while data := os.read(0, 65536):
    sys.stdout.buffer.write(data)
    passed += len(data)
    time.sleep(max(0, begin + passed / rate - time.monotonic()))
