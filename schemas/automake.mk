# SPDX-License-Identifier: Apache-2.0

pkgdata_DATA += schemas/policy.schema.json
EXTRA_DIST += schemas/policy.schema.json

# The database: C code for its tables, by Open vSwitch's own generator.
pkgdata_DATA += schemas/baton.ovsschema
EXTRA_DIST += schemas/baton.ovsschema
EXTRA_DIST += schemas/baton-all-idl.ann schemas/baton-idl.ann

RUN_OVS = PYTHONPATH=$(OVS_SOURCE)/python PYTHONDONTWRITEBYTECODE=1 python3
OVSDB_IDLC = $(RUN_OVS) $(OVS_SOURCE)/ovsdb/ovsdb-idlc.in

# Its documentation, by the same tool as Open vSwitch's.
EXTRA_DIST += schemas/baton.xml
man_MANS += schemas/baton-database.5
CLEANFILES += schemas/baton-database.5
schemas/baton-database.5: $(srcdir)/schemas/baton.xml \
	$(srcdir)/schemas/baton.ovsschema
	$(AM_V_GEN)$(MKDIR_P) schemas && \
	$(RUN_OVS) $(OVS_SOURCE)/ovsdb/ovsdb-doc --version=$(VERSION) \
	    $(srcdir)/schemas/baton.ovsschema $(srcdir)/schemas/baton.xml \
	    | sed 's/"Open vSwitch /"Baton /' > $@.tmp && mv $@.tmp $@

# For the controller, which does without some columns, and for baton-ctl.
BATON_IDL = schemas/baton-idl.c schemas/baton-idl.h
BATON_ALL_IDL = schemas/baton-all-idl.c schemas/baton-all-idl.h
BUILT_SOURCES += $(BATON_IDL) $(BATON_ALL_IDL)
CLEANFILES += $(BATON_IDL) $(BATON_ALL_IDL)
CLEANFILES += schemas/baton-idl.ovsidl schemas/baton-all-idl.ovsidl

ANNOTATE = $(AM_V_GEN)$(MKDIR_P) schemas && \
	$(OVSDB_IDLC) annotate $(srcdir)/schemas/baton.ovsschema
schemas/baton-idl.ovsidl: $(srcdir)/schemas/baton.ovsschema \
	$(srcdir)/schemas/baton-idl.ann
	$(ANNOTATE) $(srcdir)/schemas/baton-idl.ann > $@.tmp && mv $@.tmp $@
schemas/baton-all-idl.ovsidl: $(srcdir)/schemas/baton.ovsschema \
	$(srcdir)/schemas/baton-all-idl.ann
	$(ANNOTATE) $(srcdir)/schemas/baton-all-idl.ann > $@.tmp \
	    && mv $@.tmp $@
schemas/baton-idl.c: schemas/baton-idl.ovsidl
	$(AM_V_GEN)$(OVSDB_IDLC) c-idl-source schemas/baton-idl.ovsidl \
	    > $@.tmp && mv $@.tmp $@
schemas/baton-idl.h: schemas/baton-idl.ovsidl
	$(AM_V_GEN)$(OVSDB_IDLC) c-idl-header schemas/baton-idl.ovsidl \
	    > $@.tmp && mv $@.tmp $@
schemas/baton-all-idl.c: schemas/baton-all-idl.ovsidl
	$(AM_V_GEN)$(OVSDB_IDLC) c-idl-source schemas/baton-all-idl.ovsidl \
	    > $@.tmp && mv $@.tmp $@
schemas/baton-all-idl.h: schemas/baton-all-idl.ovsidl
	$(AM_V_GEN)$(OVSDB_IDLC) c-idl-header schemas/baton-all-idl.ovsidl \
	    > $@.tmp && mv $@.tmp $@

noinst_LTLIBRARIES += schemas/libbatonidl.la schemas/libbatonallidl.la
nodist_schemas_libbatonidl_la_SOURCES = $(BATON_IDL)
nodist_schemas_libbatonallidl_la_SOURCES = $(BATON_ALL_IDL)
schemas_libbatonidl_la_SOURCES =
schemas_libbatonallidl_la_SOURCES =
schemas_libbatonidl_la_CPPFLAGS = $(AM_CPPFLAGS) -I.
schemas_libbatonallidl_la_CPPFLAGS = $(AM_CPPFLAGS) -I.
# Generated code has its own idea of what is used.
schemas_libbatonidl_la_CFLAGS = $(AM_CFLAGS) -w
schemas_libbatonallidl_la_CFLAGS = $(AM_CFLAGS) -w

TESTS += schemas/baton-schema-checksum
check_SCRIPTS += schemas/baton-schema-checksum
CLEANFILES += schemas/baton-schema-checksum
schemas/baton-schema-checksum: $(srcdir)/build-aux/schema-checksum
	$(AM_V_GEN)$(MKDIR_P) schemas && printf '#!/bin/sh\nexec %s %s\n' \
	    "$(abs_top_srcdir)/build-aux/schema-checksum" \
	    "$(abs_top_srcdir)/schemas/baton.ovsschema" > $@ && chmod +x $@
