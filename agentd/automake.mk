# SPDX-License-Identifier: Apache-2.0

# Everything but main(), for the daemon and for its unit tests.
noinst_LTLIBRARIES += agentd/libagentd.la
agentd_libagentd_la_SOURCES = \
	agentd/address.c agentd/address.h \
	agentd/agent-loop.c agentd/agent-loop.h \
	agentd/agent-show.c agentd/agent-show.h \
	agentd/agent.h \
	agentd/announcement.c agentd/announcement.h \
	agentd/app-check.c agentd/app-check.h \
	agentd/app-link.c agentd/app-link.h \
	agentd/app-listen.c agentd/app-listen.h \
	agentd/app-requests.c agentd/app-requests.h \
	agentd/app-send.c agentd/app-send.h \
	agentd/app-start.c agentd/app-start.h \
	agentd/attachment.c agentd/attachment.h \
	agentd/block-entry.c agentd/block-private.h \
	agentd/block.c agentd/block.h \
	agentd/calls.c agentd/calls.h \
	agentd/closing.c agentd/closing.h \
	agentd/controller-link.c agentd/controller-link.h \
	agentd/dad.c agentd/dad.h \
	agentd/epochs.c agentd/epochs.h \
	agentd/events.c agentd/events.h \
	agentd/foreign-route.c agentd/foreign-route.h \
	agentd/give.c \
	agentd/give-end.c \
	agentd/give-freeze.c \
	agentd/give-later.c \
	agentd/give-offer.c \
	agentd/handoff.c agentd/handoff.h \
	agentd/handover.c agentd/handover.h \
	agentd/handover-hear.c \
	agentd/handover-packets.c \
	agentd/handover-run.c \
	agentd/held-address.c agentd/held-address.h \
	agentd/host-settings.c agentd/host-settings.h \
	agentd/keeper.c agentd/keeper.h \
	agentd/lan-interface.c agentd/lan-interface.h \
	agentd/lan.c agentd/lan.h \
	agentd/late-filter.c agentd/late-filter.h \
	agentd/late-packet.c agentd/late-packet.h \
	agentd/late-packets.c agentd/late-packets.h \
	agentd/late-tap.c agentd/late-tap.h \
	agentd/lease-request.c agentd/lease-request.h \
	agentd/leftover.c agentd/leftover.h \
	agentd/listening.c agentd/listening.h \
	agentd/mapped-over.c agentd/mapped-over.h \
	agentd/mapped.c agentd/mapped.h \
	agentd/names.c agentd/names.h \
	agentd/next-hops.c agentd/next-hops.h \
	agentd/note.c agentd/note.h \
	agentd/onward-store.c agentd/onward-store.h \
	agentd/own-address.c agentd/own-address.h \
	agentd/packet-queue.c agentd/packet-queue.h \
	agentd/peer-link.c agentd/peer-link.h \
	agentd/permanent-channel.c \
	agentd/permanent-lend.c \
	agentd/permanent-private.h \
	agentd/permanent-table.c \
	agentd/permanent-wake.c \
	agentd/permanent.c agentd/permanent.h \
	agentd/permanent-store.c agentd/permanent-store.h \
	agentd/placement.c agentd/placement.h \
	agentd/registration.c agentd/registration.h \
	agentd/route-request.c agentd/route-request.h \
	agentd/service.c agentd/service.h \
	agentd/session.c agentd/session.h \
	agentd/settle.c agentd/settle.h \
	agentd/sock-diag.c agentd/sock-diag.h \
	agentd/take.c \
	agentd/take-offer.c \
	agentd/take-restore.c \
	agentd/tunnel-ends.c agentd/tunnel-ends.h \
	agentd/tunnel-filter.c agentd/tunnel-filter.h \
	agentd/tunnel-interface.c agentd/tunnel-interface.h \
	agentd/told.c agentd/told.h \
	agentd/user-limit.c agentd/user-limit.h \
	agentd/whole.c agentd/whole.h \
	agentd/whole-members.c agentd/whole-members.h \
	agentd/whole-note.c agentd/whole-note.h \
	agentd/whole-relay.c agentd/whole-relay.h \
	agentd/whole-state.c agentd/whole-state.h
agentd_libagentd_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd

sbin_PROGRAMS += agentd/baton-agentd
agentd_baton_agentd_SOURCES = agentd/baton-agentd.c
agentd_baton_agentd_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
agentd_baton_agentd_LDADD = agentd/libagentd.la $(BATON_LIBS)
