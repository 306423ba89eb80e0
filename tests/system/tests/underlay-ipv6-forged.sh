#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A7: a device's own tunnel over IPv6 takes nothing but from its home's.
# shellcheck disable=SC2034
underlay=ipv6
# shellcheck source=tests/system/tests/foreign-device-forged.sh
. "$(dirname "$0")/foreign-device-forged.sh"
