# SPDX-License-Identifier: Apache-2.0

# Unit tests: one CUnit program for each module, run by `make check`.
if HAVE_CUNIT
UNIT_TESTS =
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
UNIT_LDADD = $(CUNIT_LIBS) $(BATON_LIBS)
