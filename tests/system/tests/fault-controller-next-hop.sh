#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A14: a controller that was killed knows where sessions that are away go on.
# shellcheck source=tests/system/over-restart.sh
. "$(dirname "$0")/../over-restart.sh"

# Nobody but the device where the session began knows the gateway.
"$sandbox_program" policy --sites=2 --devices=laptop,tv@2 |
    sed '/^    gateways:/d' > "$work/policy.yaml"
faults_up --sites=2 --devices=laptop,tv@2 --policy="$work/policy.yaml"
make_file file 60000000

for family in 4 6; do
    say "IPv$family"
    go_over_restart $family tv
done
