# SPDX-License-Identifier: Apache-2.0

pkgdata_DATA += schemas/policy.schema.json
EXTRA_DIST += schemas/policy.schema.json
