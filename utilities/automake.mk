# SPDX-License-Identifier: Apache-2.0

dist_bin_SCRIPTS += \
	utilities/baton-pki \
	utilities/baton-sandbox
