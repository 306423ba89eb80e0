# SPDX-License-Identifier: Apache-2.0

dist_man_MANS += \
	Documentation/baton-ctl.8 \
	Documentation/baton-pki.8 \
	Documentation/baton-policy.5
