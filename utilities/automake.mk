# SPDX-License-Identifier: Apache-2.0

dist_bin_SCRIPTS += \
	utilities/baton-pki \
	utilities/baton-sandbox

# Applications: with libbaton, and nothing of libopenvswitch.
APP_CPPFLAGS = -I$(srcdir)/include -I$(srcdir)/utilities

bin_PROGRAMS += utilities/baton-ctl
utilities_baton_ctl_SOURCES = \
	utilities/baton-ctl.c \
	utilities/controller-call.c utilities/controller-call.h \
	utilities/database-read.c utilities/database-read.h \
	utilities/json-table.c utilities/json-table.h \
	utilities/timeline-draw.c utilities/timeline-draw.h
utilities_baton_ctl_LDADD = schemas/libbatonallidl.la $(BATON_LIBS)

bin_PROGRAMS += utilities/baton-serve
utilities_baton_serve_SOURCES = \
	utilities/baton-serve.c \
	utilities/http.c utilities/http.h \
	utilities/serve-conn.c utilities/serve-conn.h \
	utilities/serve-redirect.c utilities/serve-redirect.h \
	utilities/serve-session.c utilities/serve-session.h \
	utilities/state-bytes.h
utilities_baton_serve_CPPFLAGS = $(APP_CPPFLAGS)
utilities_baton_serve_LDADD = lib/libbaton.la

bin_PROGRAMS += utilities/baton-stream
utilities_baton_stream_SOURCES = \
	utilities/baton-stream.c \
	utilities/state-bytes.h \
	utilities/stream.c utilities/stream.h \
	utilities/stream-count.c utilities/stream-count.h
utilities_baton_stream_CPPFLAGS = $(APP_CPPFLAGS)
utilities_baton_stream_LDADD = lib/libbaton.la

bin_PROGRAMS += utilities/baton
utilities_baton_SOURCES = \
	utilities/agent-call.c utilities/agent-call.h \
	utilities/baton.c \
	utilities/json-table.c utilities/json-table.h
utilities_baton_LDADD = $(BATON_LIBS)

# bash-completion looks for a file by the command's name.
completiondir = $(datadir)/bash-completion/completions
EXTRA_DIST += utilities/baton-completion.bash
install-data-local: install-completion
install-completion:
	$(MKDIR_P) $(DESTDIR)$(completiondir)
	$(INSTALL_DATA) $(srcdir)/utilities/baton-completion.bash \
	    $(DESTDIR)$(completiondir)/baton
	cd $(DESTDIR)$(completiondir) && ln -sf baton baton-ctl
uninstall-local: uninstall-completion
uninstall-completion:
	cd $(DESTDIR)$(completiondir) && rm -f baton baton-ctl
.PHONY: install-completion uninstall-completion
