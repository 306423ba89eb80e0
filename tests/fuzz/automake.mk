# SPDX-License-Identifier: Apache-2.0

# Fuzz targets: `make check-fuzz` builds them with clang, whatever the rest is
# built with, and runs each for FUZZ_RUNS inputs; one longer, by hand:
#
#     make tests/fuzz/fuzz-ticket && tests/fuzz/fuzz-ticket CORPUS-DIRECTORY
#
# A target is tests/fuzz/fuzz-NAME.c.  It is linked with lib/; one that needs a
# daemon's rooms says so as in
#
#     tests/fuzz/build/tests/fuzz/fuzz-x.o: FUZZ_DAEMON = agentd
#     tests/fuzz/fuzz-x: tests/fuzz/build/agentd.a
#
# Inputs that once failed, and seeds, are in tests/fuzz/corpus/fuzz-NAME/.
FUZZ_TARGETS = \
	tests/fuzz/fuzz-app-state \
	tests/fuzz/fuzz-attachment-frame \
	tests/fuzz/fuzz-dns-message \
	tests/fuzz/fuzz-handoff \
	tests/fuzz/fuzz-late-packets \
	tests/fuzz/fuzz-message \
	tests/fuzz/fuzz-peer-frame \
	tests/fuzz/fuzz-policy \
	tests/fuzz/fuzz-socket-state \
	tests/fuzz/fuzz-ticket

FUZZ_RUNS = 20000
FUZZ_CC = clang
FUZZ_CFLAGS = -g -O1 -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer

EXTRA_DIST += \
	tests/fuzz/corpus \
	tests/fuzz/fuzz.h \
	tests/fuzz/run \
	$(FUZZ_TARGETS:=.c)

fuzz_objects = $(patsubst %.c,tests/fuzz/build/%.o,$(filter %.c,$(1)))
fuzz_compile = $(AM_V_CC)$(MKDIR_P) $(@D) && $(FUZZ_CC) -std=gnu11 \
	-D_GNU_SOURCE -I. \
	$(AM_CPPFLAGS) $(FUZZ_DAEMON:%=-I$(srcdir)/%) $(WARNING_CFLAGS) \
	$(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<
fuzz_archive = $(AM_V_GEN)rm -f $@ && $(AR) cr $@ $^

tests/fuzz/build/%.o: %.c
	$(fuzz_compile)
tests/fuzz/build/agentd/%.o: FUZZ_DAEMON = agentd
tests/fuzz/build/controller/%.o: FUZZ_DAEMON = controller

tests/fuzz/build/lib.a: $(call fuzz_objects,$(lib_libcommon_la_SOURCES) \
		$(lib_socket_state_libsocketstate_la_SOURCES))
	$(fuzz_archive)
tests/fuzz/build/agentd.a: \
		$(call fuzz_objects,$(agentd_libagentd_la_SOURCES))
	$(fuzz_archive)
tests/fuzz/build/controller.a: \
		$(call fuzz_objects,$(controller_libcontroller_la_SOURCES))
	$(fuzz_archive)

$(FUZZ_TARGETS): %: tests/fuzz/build/%.o tests/fuzz/build/lib.a
	$(AM_V_CCLD)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ \
	    -Wl,--start-group $^ -Wl,--end-group $(OVS_LIBS) \
	    $(OPENSSL_LIBS) $(YAML_LIBS) $(LDNS_LIBS) -lpthread -lrt -lm
tests/fuzz/build/utilities.a: $(call fuzz_objects, utilities/http.c \
		utilities/serve-conn.c utilities/stream-count.c \
		utilities/stream.c)
	$(fuzz_archive)
tests/fuzz/build/tests/fuzz/fuzz-app-state.o: FUZZ_DAEMON = utilities
tests/fuzz/fuzz-app-state: tests/fuzz/build/utilities.a
tests/fuzz/build/tests/fuzz/fuzz-late-packets.o: FUZZ_DAEMON = agentd
tests/fuzz/fuzz-late-packets: tests/fuzz/build/agentd.a
tests/fuzz/build/tests/fuzz/fuzz-handoff.o: FUZZ_DAEMON = agentd
tests/fuzz/fuzz-handoff: tests/fuzz/build/agentd.a
tests/fuzz/build/tests/fuzz/fuzz-peer-frame.o: FUZZ_DAEMON = agentd
tests/fuzz/fuzz-peer-frame: tests/fuzz/build/agentd.a
-include $(wildcard tests/fuzz/build/*/*.d tests/fuzz/build/*/*/*.d)

check-fuzz: $(FUZZ_TARGETS)
	$(srcdir)/tests/fuzz/run --runs=$(FUZZ_RUNS) \
	    $(srcdir)/tests/fuzz/corpus $(FUZZ_TARGETS)
.PHONY: check-fuzz

CLEANFILES += $(FUZZ_TARGETS)
clean-local: clean-fuzz
clean-fuzz:
	rm -rf tests/fuzz/build
.PHONY: clean-fuzz
