# SPDX-License-Identifier: Apache-2.0

# Unit tests: one CUnit program for each module, run by `make check`.
if HAVE_CUNIT
UNIT_TESTS =
UNIT_TESTS += tests/unit/test-app-link
UNIT_TESTS += tests/unit/test-libbaton
UNIT_TESTS += tests/unit/test-seal
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
UNIT_LDADD = $(CUNIT_LIBS) $(BATON_LIBS)

tests_unit_test_app_link_SOURCES = tests/unit/test-app-link.c
tests_unit_test_app_link_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
tests_unit_test_app_link_LDADD = agentd/libagentd.la $(UNIT_LDADD)

tests_unit_test_seal_SOURCES = tests/unit/test-seal.c tests/unit/unit.h
tests_unit_test_seal_LDADD = $(UNIT_LDADD)

tests_unit_test_libbaton_SOURCES = tests/unit/test-libbaton.c
tests_unit_test_libbaton_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
tests_unit_test_libbaton_LDADD = lib/libbaton.la agentd/libagentd.la \
	$(UNIT_LDADD)
