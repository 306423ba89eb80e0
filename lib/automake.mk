# SPDX-License-Identifier: Apache-2.0

# Words that both daemons and the utilities share.
noinst_LTLIBRARIES += lib/libcommon.la
lib_libcommon_la_SOURCES = \
	lib/acceptor.c lib/acceptor.h \
	lib/app-protocol.h \
	lib/app-socket.c lib/app-socket.h \
	lib/attachment-frame.c lib/attachment-frame.h \
	lib/dns-message.c lib/dns-message.h \
	lib/dns-server.c lib/dns-server.h \
	lib/fault.c lib/fault.h \
	lib/identity.c lib/identity.h \
	lib/latency.c lib/latency.h \
	lib/link.c lib/link.h \
	lib/message.c lib/message.h \
	lib/name-ledger.c lib/name-ledger.h \
	lib/onward.c lib/onward.h \
	lib/policy-parse-lan.c \
	lib/policy-parse-movable.c \
	lib/policy-parse-names.c \
	lib/policy-parse-network.c \
	lib/policy-parse-rights.c \
	lib/policy-parse-values.c \
	lib/policy-parse.c lib/policy-parse.h \
	lib/policy.c lib/policy.h \
	lib/seal.c lib/seal.h \
	lib/state-seal.c lib/state-seal.h \
	lib/ticket.c lib/ticket.h \
	lib/tls-roles.c lib/tls-roles.h \
	lib/wire.h \
	lib/yaml-reader.c lib/yaml-reader.h
lib_libcommon_la_LIBADD = $(OPENSSL_LIBS) $(YAML_LIBS) $(LDNS_LIBS)

# What programs that use lib/libcommon.la link with.
BATON_LIBS = lib/libcommon.la lib/socket-state/libsocketstate.la \
	$(OVS_LIBS) $(OPENSSL_LIBS) $(YAML_LIBS) $(LDNS_LIBS) \
	-lpthread -lrt -lm

# socket-state: usable without the rest (plain C11, no libopenvswitch).
noinst_LTLIBRARIES += lib/socket-state/libsocketstate.la
lib_socket_state_libsocketstate_la_SOURCES = \
	lib/socket-state/socket-decode.c \
	lib/socket-state/socket-encode.c \
	lib/socket-state/socket-form.h \
	lib/socket-state/socket-inspect.c \
	lib/socket-state/socket-listen.c \
	lib/socket-state/socket-options.c \
	lib/socket-state/socket-packet.c \
	lib/socket-state/socket-replay.c \
	lib/socket-state/socket-restore.c \
	lib/socket-state/socket-state-private.h \
	lib/socket-state/socket-state.c lib/socket-state/socket-state.h \
	lib/socket-state/socket-tcp.c \
	lib/socket-state/socket-udp.c
# Not AM_CPPFLAGS: nothing of libopenvswitch may slip in.
lib_socket_state_libsocketstate_la_CPPFLAGS = -I$(srcdir)/lib/socket-state

lib_LTLIBRARIES += lib/socket-state/libbaton-socket-state.la
lib_socket_state_libbaton_socket_state_la_SOURCES =
lib_socket_state_libbaton_socket_state_la_LIBADD = \
	lib/socket-state/libsocketstate.la
lib_socket_state_libbaton_socket_state_la_LDFLAGS = $(AM_LDFLAGS) \
	-version-info 0:0:0 -no-undefined \
	-export-symbols-regex '^socket_state_'
socketstateincludedir = $(includedir)/baton
socketstateinclude_HEADERS = lib/socket-state/socket-state.h

# libbaton: what applications link with (plain C11, no libopenvswitch).

lib_LTLIBRARIES += lib/libbaton.la
lib_libbaton_la_SOURCES = \
	lib/app-protocol.h \
	lib/app-socket.c lib/app-socket.h \
	lib/libbaton/baton.c \
	lib/libbaton/channel.c lib/libbaton/channel.h \
	lib/libbaton/events.c \
	lib/libbaton/handle.c lib/libbaton/handle.h \
	lib/libbaton/session.c lib/libbaton/session.h \
	lib/onward.c lib/onward.h
# Not AM_CPPFLAGS: nothing of libopenvswitch may slip in.
lib_libbaton_la_CPPFLAGS = -I$(srcdir)/include -I$(srcdir)/lib \
	-DBATON_RUNDIR=\"$(runstatedir)/baton\"
lib_libbaton_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined \
	-Wl,--version-script=$(srcdir)/lib/libbaton.sym
EXTRA_lib_libbaton_la_DEPENDENCIES = lib/libbaton.sym
EXTRA_DIST += lib/libbaton.sym

batonincludedir = $(includedir)/baton
batoninclude_HEADERS = include/baton/baton.h
pkgconfig_DATA += lib/baton.pc
