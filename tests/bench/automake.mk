# SPDX-License-Identifier: Apache-2.0

# What measures, and the main job.
dist_noinst_SCRIPTS += tests/bench/run
EXTRA_DIST += \
	tests/bench/agent.py \
	tests/bench/application.py \
	tests/bench/arrivals.py \
	tests/bench/breakdown.py \
	tests/bench/floor.py \
	tests/bench/handover.py \
	tests/bench/handover_foreign.py \
	tests/bench/main_job.py \
	tests/bench/mapping.py \
	tests/bench/mapping_learning.py \
	tests/bench/mapping_many.py \
	tests/bench/rate.py \
	tests/bench/report.py \
	tests/bench/restart.py \
	tests/bench/sandbox.py

# When packets arrive at the correspondent.
noinst_PROGRAMS += tests/bench/arrivals
tests_bench_arrivals_SOURCES = tests/bench/arrivals.c

# An application that is moved, and its correspondent.
noinst_PROGRAMS += tests/bench/pulse
tests_bench_pulse_SOURCES = tests/bench/pulse-data.h \
	tests/bench/pulse-far.c tests/bench/pulse.c tests/bench/pulse.h
tests_bench_pulse_CPPFLAGS = -I$(srcdir)/include -I$(srcdir)/utilities
tests_bench_pulse_LDADD = lib/libbaton.la

# Many sessions that are moved at once.
noinst_PROGRAMS += tests/bench/herd
tests_bench_herd_SOURCES = tests/bench/herd.c
tests_bench_herd_CPPFLAGS = -I$(srcdir)/include
tests_bench_herd_LDADD = lib/libbaton.la

# The floor: what a move costs without a protocol.
noinst_PROGRAMS += tests/bench/floor-flow tests/bench/floor-socket \
	tests/bench/floor-write
tests_bench_floor_flow_SOURCES = tests/bench/floor-flow.c
tests_bench_floor_flow_LDADD = $(BATON_LIBS)
tests_bench_floor_socket_SOURCES = tests/bench/floor-socket.c \
	tests/system/move-net.c tests/system/move-net.h
tests_bench_floor_socket_CPPFLAGS = -D_GNU_SOURCE \
	-I$(srcdir)/lib/socket-state
tests_bench_floor_socket_LDADD = lib/socket-state/libsocketstate.la
tests_bench_floor_write_SOURCES = tests/bench/floor-write.c
tests_bench_floor_write_LDADD = $(BATON_LIBS)
