# SPDX-License-Identifier: Apache-2.0

# System tests: real packets, as root.
SYSTEM_TESTS = \
	tests/system/tests/contact-permanent.sh \
	tests/system/tests/correspondent-redirected.sh \
	tests/system/tests/correspondent-told-by-device.sh \
	tests/system/tests/correspondent-told-datagrams.sh \
	tests/system/tests/correspondent-told.sh \
	tests/system/tests/correspondent-unaware.sh \
	tests/system/tests/database-backup.sh \
	tests/system/tests/datagrams-whole.sh \
	tests/system/tests/existing-detach.sh \
	tests/system/tests/existing-ovn.sh \
	tests/system/tests/existing-pipeline.sh \
	tests/system/tests/fault-agent-twice.sh \
	tests/system/tests/fault-bridge-lost.sh \
	tests/system/tests/fault-closed-undelivered.sh \
	tests/system/tests/fault-closes-while-moving.sh \
	tests/system/tests/fault-controller-away.sh \
	tests/system/tests/fault-controller-crash-tcp.sh \
	tests/system/tests/fault-controller-crash-udp.sh \
	tests/system/tests/fault-controller-foreign.sh \
	tests/system/tests/fault-controller-killed.sh \
	tests/system/tests/fault-controller-lost.sh \
	tests/system/tests/fault-controller-next-hop.sh \
	tests/system/tests/fault-controller-relays.sh \
	tests/system/tests/fault-crash-tcp.sh \
	tests/system/tests/fault-crash-udp.sh \
	tests/system/tests/fault-database-full.sh \
	tests/system/tests/fault-database-lost.sh \
	tests/system/tests/fault-database-read-only.sh \
	tests/system/tests/fault-dies.sh \
	tests/system/tests/fault-flows-deleted.sh \
	tests/system/tests/fault-leftover.sh \
	tests/system/tests/fault-moves-on.sh \
	tests/system/tests/fault-plain-lan.sh \
	tests/system/tests/fault-shown-late.sh \
	tests/system/tests/fault-mapped.sh \
	tests/system/tests/fault-standby.sh \
	tests/system/tests/fault-target-refuses.sh \
	tests/system/tests/fault-target-stopped.sh \
	tests/system/tests/fault-ticket-replay.sh \
	tests/system/tests/fault-timeouts.sh \
	tests/system/tests/fault-two-transfers.sh \
	tests/system/tests/fault-unknown-device.sh \
	tests/system/tests/fault-whole-address.sh \
	tests/system/tests/fault-wrong-certificate.sh \
	tests/system/tests/foreign-datagrams.sh \
	tests/system/tests/foreign-device.sh \
	tests/system/tests/foreign-device-controller.sh \
	tests/system/tests/foreign-device-ends.sh \
	tests/system/tests/foreign-device-forged.sh \
	tests/system/tests/foreign-faults.sh \
	tests/system/tests/foreign-size.sh \
	tests/system/tests/foreign-tunnels.sh \
	tests/system/tests/generator-unique.sh \
	tests/system/tests/lease-kept.sh \
	tests/system/tests/mapped-datagrams.sh \
	tests/system/tests/mapping-errors.sh \
	tests/system/tests/mapping-floods.sh \
	tests/system/tests/mapping-foreign.sh \
	tests/system/tests/mapping-forged-rst.sh \
	tests/system/tests/mapping-fragments.sh \
	tests/system/tests/mapping-query.sh \
	tests/system/tests/limits.sh \
	tests/system/tests/move-back.sh \
	tests/system/tests/move-chain-sites.sh \
	tests/system/tests/move-chain.sh \
	tests/system/tests/move-foreign-subnet.sh \
	tests/system/tests/move-same-subnet.sh \
	tests/system/tests/negotiate-refuse.sh \
	tests/system/tests/notice-forged.sh \
	tests/system/tests/one-of-many.sh \
	tests/system/tests/onward-allowed.sh \
	tests/system/tests/onward-denied.sh \
	tests/system/tests/permanent-goes-on.sh \
	tests/system/tests/proxy-arp-bridge.sh \
	tests/system/tests/proxy-arp-plain-lan.sh \
	tests/system/tests/proxy-nd.sh \
	tests/system/tests/release-reuse.sh \
	tests/system/tests/roam-away.sh \
	tests/system/tests/roam-mapped.sh \
	tests/system/tests/roam-mapped-away.sh \
	tests/system/tests/roam-other-site.sh \
	tests/system/tests/roam-same-bridge.sh \
	tests/system/tests/roam-while-moving.sh \
	tests/system/tests/sandbox.sh \
	tests/system/tests/session-key-fresh.sh \
	tests/system/tests/state-sealed.sh \
	tests/system/tests/stream-both-ways.sh \
	tests/system/tests/stream-whole.sh \
	tests/system/tests/ticket-sealed.sh \
	tests/system/tests/underlay-ipv6.sh \
	tests/system/tests/underlay-ipv6-forged.sh \
	tests/system/tests/underlay-ipv6-size.sh \
	tests/system/tests/whole-address-dead-host.sh \
	tests/system/tests/whole-address-ends.sh \
	tests/system/tests/whole-address-foreign.sh \
	tests/system/tests/whole-address-user.sh \
	tests/system/tests/whole-address-wake-up.sh
EXTRA_DIST += $(SYSTEM_TESTS) \
	tests/system/ask.py \
	tests/system/away.sh \
	tests/system/crash-tcp.sh \
	tests/system/echo.sh \
	tests/system/fault.sh \
	tests/system/forge-vxlan.py \
	tests/system/lib.sh \
	tests/system/mapped-echo.py \
	tests/system/mapped.sh \
	tests/system/memory.py \
	tests/system/over-restart.sh \
	tests/system/random-log.c \
	tests/system/roam.sh \
	tests/system/rogue.py \
	tests/system/sealing.py \
	tests/system/throttle.py \
	tests/system/whole.sh
dist_noinst_SCRIPTS += tests/system/run

# For instance SYSTEM_TEST_FLAGS=--jobs=4.
SYSTEM_TEST_FLAGS =
check-system: all
	$(srcdir)/tests/system/run --build=$(abs_builddir) $(SYSTEM_TEST_FLAGS)
.PHONY: check-system

# Moves the streams of programs that know nothing of Baton.
noinst_PROGRAMS += tests/system/relay
tests_system_relay_SOURCES = tests/system/relay.c
tests_system_relay_CPPFLAGS = -I$(srcdir)/include
tests_system_relay_LDADD = lib/libbaton.la

# Every layer again, in a build of its own under AddressSanitizer and
# UndefinedBehaviorSanitizer.  A copy of the sources: a configured source tree
# cannot be configured elsewhere too.
check-asan:
	$(MAKE) $(AM_MAKEFLAGS) distdir distdir=asan/source
	mkdir -p asan/build
	cd asan/build && { test -f Makefile || ../source/configure \
	    --enable-asan --enable-fault-injection --with-ovs-source=$(OVS_SOURCE) \
	    --with-ovs-build=$(OVS_BUILD); }
	cd asan/build && $(MAKE) $(AM_MAKEFLAGS)
	cd asan/build && $(MAKE) $(AM_MAKEFLAGS) check
	cd asan/build && $(MAKE) $(AM_MAKEFLAGS) check-system
clean-local:
	-rm -rf asan tests/results
.PHONY: check-asan

# Sockets that move, without switch, agents or controller.
check_PROGRAMS += tests/system/test-socket-move
TESTS += tests/system/test-socket-move
tests_system_test_socket_move_SOURCES = \
	tests/system/move-data.c \
	tests/system/move-fault.c \
	tests/system/move-net.c tests/system/move-net.h \
	tests/system/move-option.c \
	tests/system/move-state.c \
	tests/system/move-test.c tests/system/move-test.h \
	tests/system/move-udp.c \
	tests/system/test-socket-move.c
tests_system_test_socket_move_CPPFLAGS = -D_GNU_SOURCE \
	-I$(srcdir)/lib/socket-state
tests_system_test_socket_move_LDADD = lib/socket-state/libsocketstate.la

# What an agent asks of the kernel, without agent.
if HAVE_CUNIT
check_PROGRAMS += tests/system/test-kernel-half
TESTS += tests/system/test-kernel-half
endif
tests_system_test_kernel_half_SOURCES = \
	tests/system/half-net.c tests/system/half-net.h \
	tests/system/test-kernel-half.c
tests_system_test_kernel_half_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
tests_system_test_kernel_half_LDADD = agentd/libagentd.la $(UNIT_LDADD)
