# SPDX-License-Identifier: Apache-2.0

# Everything but main(), for the daemon and for its unit tests.
noinst_LTLIBRARIES += controller/libcontroller.la
controller_libcontroller_la_SOURCES = \
	controller/bridge.h \
	controller/session-flows.h
controller_libcontroller_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller

sbin_PROGRAMS += controller/baton-controller
controller_baton_controller_SOURCES = controller/baton-controller.c
controller_baton_controller_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
controller_baton_controller_LDADD = controller/libcontroller.la $(BATON_LIBS)
