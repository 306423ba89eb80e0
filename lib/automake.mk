# SPDX-License-Identifier: Apache-2.0

# Words that both daemons and the utilities share.
noinst_LTLIBRARIES += lib/libcommon.la
lib_libcommon_la_SOURCES = \
	lib/app-protocol.h \
	lib/app-socket.c lib/app-socket.h \
	lib/attachment-frame.c lib/attachment-frame.h \
	lib/identity.c lib/identity.h \
	lib/link.c lib/link.h \
	lib/message.c lib/message.h \
	lib/policy.h \
	lib/seal.c lib/seal.h \
	lib/state-seal.c lib/state-seal.h \
	lib/ticket.c lib/ticket.h \
	lib/wire.h
lib_libcommon_la_LIBADD = $(OPENSSL_LIBS) $(YAML_LIBS)

# What programs that use lib/libcommon.la link with.
BATON_LIBS = lib/libcommon.la $(OVS_LIBS) $(OPENSSL_LIBS) $(YAML_LIBS) \
	-lpthread -lrt -lm

# socket-state: usable without the rest (plain C11, no libopenvswitch).

# libbaton: what applications link with (plain C11, no libopenvswitch).
