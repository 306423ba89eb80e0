#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A18: what is as large as the Ethernet allows goes through tunnels over IPv6.
# shellcheck disable=SC2034
underlay=ipv6 bulk_size=60000000
# shellcheck source=tests/system/tests/foreign-size.sh
. "$(dirname "$0")/foreign-size.sh"
