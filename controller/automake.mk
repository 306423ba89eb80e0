# SPDX-License-Identifier: Apache-2.0

# Everything but main(), for the daemon and for its unit tests.
noinst_LTLIBRARIES += controller/libcontroller.la
controller_libcontroller_la_SOURCES = \
	controller/announcement.c controller/announcement.h \
	controller/attachment.c controller/attachment.h \
	controller/bridge.c controller/bridge.h \
	controller/bridge-listener.c \
	controller/bridge-prepare.c controller/bridge-prepare.h \
	controller/bridge-ports.c controller/bridge-ports.h \
	controller/bridge-sync.c controller/bridge-sync.h \
	controller/controller.c controller/controller.h \
	controller/ctl.c controller/ctl.h \
	controller/ctl-bridge.c controller/ctl-bridge.h \
	controller/ctl-detach.c controller/ctl-detach.h \
	controller/ctl-sessions.c controller/ctl-sessions.h \
	controller/database.c controller/database.h \
	controller/database-file.c controller/database-file.h \
	controller/database-op.c controller/database-op.h \
	controller/database-server.c controller/database-server.h \
	controller/database-upgrade.c controller/database-upgrade.h \
	controller/device.c controller/device.h \
	controller/device-link.c controller/device-link.h \
	controller/device-methods.c \
	controller/devices-method.c \
	controller/device-tunnel.c controller/device-tunnel.h \
	controller/fail-mode.c controller/fail-mode.h \
	controller/flow-actions.c controller/flow-actions.h \
	controller/flow-batches.c controller/flow-batches.h \
	controller/flow-builder.c controller/flow-builder.h \
	controller/flow-dump.c controller/flow-dump.h \
	controller/flow-form.c controller/flow-form.h \
	controller/flow-ledger.c controller/flow-ledger.h \
	controller/flow-message.c controller/flow-message.h \
	controller/flow-news.c controller/flow-news.h \
	controller/flow-set.c controller/flow-set.h \
	controller/flow-watch.c controller/flow-watch.h \
	controller/guard.c controller/guard.h \
	controller/holder-rows.c controller/holder-rows.h \
	controller/holder.c controller/holder.h \
	controller/introduce-methods.c \
	controller/introduction.c controller/introduction.h \
	controller/lan.c controller/lan.h \
	controller/lease-address.c \
	controller/lease-pool.c \
	controller/lease-private.h \
	controller/lease-write.c \
	controller/lease.c controller/lease.h \
	controller/mapping.c controller/mapping.h \
	controller/mapping-device.c \
	controller/mapping-first.c \
	controller/mapping-methods.c \
	controller/mapping-packet.c controller/mapping-packet.h \
	controller/mapping-private.h \
	controller/mapping-query.c controller/mapping-query.h \
	controller/mapping-service.c controller/mapping-service.h \
	controller/mapping-switch.c \
	controller/mapping-table.c \
	controller/mapping-flows.c controller/mapping-flows.h \
	controller/mediator.c controller/mediator.h \
	controller/method.c controller/method.h \
	controller/methods.c controller/methods.h \
	controller/name-devices.c controller/name-devices.h \
	controller/name-forward.c controller/name-forward.h \
	controller/name-methods.c \
	controller/names.c controller/names.h \
	controller/neighbour.c controller/neighbour.h \
	controller/network-flows.c \
	controller/network-private.h \
	controller/network-site.c controller/network-site.h \
	controller/network-tunnel.c \
	controller/network.c controller/network.h \
	controller/next-hop.c controller/next-hop.h \
	controller/openflow-link.c controller/openflow-link.h \
	controller/outcome.c controller/outcome.h \
	controller/permanent-methods.c \
	controller/permanent.c controller/permanent.h \
	controller/record.c controller/record.h \
	controller/record-private.h controller/record-write.c \
	controller/refresh.c controller/refresh.h \
	controller/refusal.c controller/refusal.h \
	controller/report-methods.c \
	controller/roaming.c controller/roaming.h \
	controller/session.c controller/session.h \
	controller/session-flows.c controller/session-flows.h \
	controller/session-path.c controller/session-path.h \
	controller/stream-vconn.c controller/stream-vconn.h \
	controller/too-big.c controller/too-big.h \
	controller/trace-mapping.c controller/trace-private.h \
	controller/trace.c controller/trace.h \
	controller/transfer.c controller/transfer.h \
	controller/transfer-checks.c controller/transfer-checks.h \
	controller/transfer-methods.c \
	controller/transfer-spec.c controller/transfer-spec.h \
	controller/tunnel-path.c controller/tunnel-path.h \
	controller/tunnel-store.c controller/tunnel-store.h \
	controller/upkeep.c controller/upkeep.h \
	controller/visit.c controller/visit.h
controller_libcontroller_la_LIBADD = schemas/libbatonidl.la
controller_libcontroller_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller

sbin_PROGRAMS += controller/baton-controller
controller_baton_controller_SOURCES = controller/baton-controller.c
controller_baton_controller_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
controller_baton_controller_LDADD = controller/libcontroller.la $(BATON_LIBS)
