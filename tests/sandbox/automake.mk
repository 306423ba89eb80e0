# SPDX-License-Identifier: Apache-2.0

# Sandbox tests: a real ovs-vswitchd with dummy devices, without root.
check_PROGRAMS += tests/sandbox/test-bridge
tests_sandbox_test_bridge_SOURCES = tests/sandbox/test-bridge.c
tests_sandbox_test_bridge_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_sandbox_test_bridge_LDADD = controller/libcontroller.la $(BATON_LIBS)

dist_noinst_SCRIPTS += tests/sandbox/run
EXTRA_DIST += tests/sandbox/harness.py
EXTRA_DIST += tests/sandbox/meddling.py
TESTS += tests/sandbox/run
