# SPDX-License-Identifier: Apache-2.0

# Everything but main(), for the daemon and for its unit tests.
noinst_LTLIBRARIES += controller/libcontroller.la
controller_libcontroller_la_SOURCES = \
	controller/bridge-listener.c \
	controller/bridge-ports.c controller/bridge-ports.h \
	controller/bridge-sync.c controller/bridge-sync.h \
	controller/bridge.c controller/bridge.h \
	controller/flow-builder.c controller/flow-builder.h \
	controller/flow-message.c controller/flow-message.h \
	controller/flow-set.c controller/flow-set.h \
	controller/openflow-link.c controller/openflow-link.h \
	controller/session-flows.c controller/session-flows.h \
	controller/stream-vconn.c controller/stream-vconn.h
controller_libcontroller_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller

sbin_PROGRAMS += controller/baton-controller
controller_baton_controller_SOURCES = controller/baton-controller.c
controller_baton_controller_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
controller_baton_controller_LDADD = controller/libcontroller.la $(BATON_LIBS)
