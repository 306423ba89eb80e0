#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A7: the same between sites and devices that only IPv6 connects.
# shellcheck disable=SC2034
underlay=ipv6
# shellcheck source=tests/system/tests/foreign-device.sh
. "$(dirname "$0")/foreign-device.sh"
