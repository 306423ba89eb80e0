#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Passes standard input on, at most BYTES a second; as fast as it goes once
the file HURRY is there.

usage: throttle.py BYTES [HURRY]
"""

import os
import sys
import time

rate, hurry = int(sys.argv[1]), (sys.argv[2:] + [""])[0]
begin, passed = time.monotonic(), 0
while data := os.read(0, 65536):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    passed += len(data)
    while (time.monotonic() < begin + passed / rate
           and not os.path.exists(hurry)):
        time.sleep(max(0, min(0.1, begin + passed / rate - time.monotonic())))
