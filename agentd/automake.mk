# SPDX-License-Identifier: Apache-2.0

# Everything but main(), for the daemon and for its unit tests.
noinst_LTLIBRARIES += agentd/libagentd.la
agentd_libagentd_la_SOURCES = \
	agentd/address.c agentd/address.h \
	agentd/app-link.c agentd/app-link.h \
	agentd/app-start.c agentd/app-start.h \
	agentd/attachment.c agentd/attachment.h \
	agentd/block.c agentd/block.h \
	agentd/controller-link.c agentd/controller-link.h \
	agentd/dad.c agentd/dad.h \
	agentd/handoff.c agentd/handoff.h \
	agentd/host-settings.c agentd/host-settings.h \
	agentd/late-filter.c agentd/late-filter.h \
	agentd/late-packet.c agentd/late-packet.h \
	agentd/late-packets.c agentd/late-packets.h \
	agentd/note.c agentd/note.h \
	agentd/peer-link.c agentd/peer-link.h \
	agentd/session.c agentd/session.h
agentd_libagentd_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd

sbin_PROGRAMS += agentd/baton-agentd
agentd_baton_agentd_SOURCES = agentd/baton-agentd.c
agentd_baton_agentd_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
agentd_baton_agentd_LDADD = agentd/libagentd.la $(BATON_LIBS)
