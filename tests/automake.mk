# SPDX-License-Identifier: Apache-2.0

# Unit tests: one CUnit program for each module, run by `make check`.
if HAVE_CUNIT
UNIT_TESTS =
UNIT_TESTS += tests/unit/test-acceptor
UNIT_TESTS += tests/unit/test-agent-session
UNIT_TESTS += tests/unit/test-app-link
UNIT_TESTS += tests/unit/test-attachment
UNIT_TESTS += tests/unit/test-attachment-frame
UNIT_TESTS += tests/unit/test-baton-ctl
UNIT_TESTS += tests/unit/test-block
UNIT_TESTS += tests/unit/test-database
UNIT_TESTS += tests/unit/test-device
UNIT_TESTS += tests/unit/test-device-tunnel
UNIT_TESTS += tests/unit/test-dns-message
UNIT_TESTS += tests/unit/test-flow-ledger
UNIT_TESTS += tests/unit/test-handoff
UNIT_TESTS += tests/unit/test-handover
UNIT_TESTS += tests/unit/test-holder
UNIT_TESTS += tests/unit/test-http
UNIT_TESTS += tests/unit/test-identity
UNIT_TESTS += tests/unit/test-late-packets
UNIT_TESTS += tests/unit/test-latency
UNIT_TESTS += tests/unit/test-lease
UNIT_TESTS += tests/unit/test-libbaton
UNIT_TESTS += tests/unit/test-link
UNIT_TESTS += tests/unit/test-mapping
UNIT_TESTS += tests/unit/test-message
UNIT_TESTS += tests/unit/test-methods
UNIT_TESTS += tests/unit/test-name-ledger
UNIT_TESTS += tests/unit/test-neighbour
UNIT_TESTS += tests/unit/test-note
UNIT_TESTS += tests/unit/test-onward
UNIT_TESTS += tests/unit/test-packet-queue
UNIT_TESTS += tests/unit/test-permanent
UNIT_TESTS += tests/unit/test-peer-link
UNIT_TESTS += tests/unit/test-policy
UNIT_TESTS += tests/unit/test-record
UNIT_TESTS += tests/unit/test-roaming
UNIT_TESTS += tests/unit/test-seal
UNIT_TESTS += tests/unit/test-service
UNIT_TESTS += tests/unit/test-session
UNIT_TESTS += tests/unit/test-session-flows
UNIT_TESTS += tests/unit/test-socket-state
UNIT_TESTS += tests/unit/test-state-seal
UNIT_TESTS += tests/unit/test-stream-count
UNIT_TESTS += tests/unit/test-ticket
UNIT_TESTS += tests/unit/test-too-big
UNIT_TESTS += tests/unit/test-timeline-draw
UNIT_TESTS += tests/unit/test-transfer
UNIT_TESTS += tests/unit/test-transfer-checks
UNIT_TESTS += tests/unit/test-whole-state
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
UNIT_LDADD = $(CUNIT_LIBS) $(BATON_LIBS)

tests_unit_test_acceptor_SOURCES = tests/unit/test-acceptor.c
tests_unit_test_acceptor_LDADD = $(UNIT_LDADD)

tests_unit_test_app_link_SOURCES = tests/unit/test-app-link.c
tests_unit_test_app_link_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
tests_unit_test_app_link_LDADD = agentd/libagentd.la $(UNIT_LDADD)

tests_unit_test_attachment_frame_SOURCES = \
	tests/unit/test-attachment-frame.c tests/unit/unit.h
tests_unit_test_attachment_frame_LDADD = $(UNIT_LDADD)

# Time and the wire are the test's own: see the top of test-block.c.
tests_unit_test_block_SOURCES = tests/unit/test-block.c tests/unit/unit.h
tests_unit_test_block_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
tests_unit_test_block_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=time_msec
tests_unit_test_block_LDADD = agentd/libagentd.la $(UNIT_LDADD)

tests_unit_test_identity_SOURCES = tests/unit/test-identity.c \
	tests/unit/unit.h
tests_unit_test_identity_CPPFLAGS = $(AM_CPPFLAGS) \
	-DBATON_PKI=\"$(abs_top_srcdir)/utilities/baton-pki\"
tests_unit_test_identity_LDADD = $(UNIT_LDADD)

tests_unit_test_policy_SOURCES = tests/unit/test-policy.c tests/unit/unit.h
tests_unit_test_policy_LDADD = $(UNIT_LDADD)

tests_unit_test_late_packets_SOURCES = \
	tests/unit/test-late-packets.c tests/unit/unit.h
tests_unit_test_late_packets_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
tests_unit_test_late_packets_LDADD = agentd/libagentd.la $(UNIT_LDADD)

tests_unit_test_seal_SOURCES = tests/unit/test-seal.c tests/unit/unit.h
tests_unit_test_seal_LDADD = $(UNIT_LDADD)

tests_unit_test_libbaton_SOURCES = tests/unit/test-libbaton.c
tests_unit_test_libbaton_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
tests_unit_test_libbaton_LDADD = lib/libbaton.la agentd/libagentd.la \
	$(UNIT_LDADD)

# With an ovsdb-server of its own.
EXTRA_DIST += tests/unit/baton-1.2.0.ovsschema
tests_unit_test_database_SOURCES = tests/unit/test-database.c \
	tests/unit/unit.h
tests_unit_test_database_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller \
	-DBATON_SCHEMA_DIR=\"$(abs_top_srcdir)/schemas\" \
	-DBATON_SCHEMA=\"$(abs_top_srcdir)/schemas/baton.ovsschema\" \
	-DBATON_OLD_SCHEMA=\"$(abs_top_srcdir)/tests/unit/baton-1.2.0.ovsschema\"
tests_unit_test_database_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_flow_ledger_SOURCES = tests/unit/test-flow-ledger.c \
	tests/unit/unit.h
tests_unit_test_flow_ledger_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_flow_ledger_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_session_flows_SOURCES = \
	tests/unit/test-session-flows.c tests/unit/unit.h
tests_unit_test_session_flows_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_session_flows_LDADD = controller/libcontroller.la \
	$(UNIT_LDADD)

tests_unit_test_state_seal_SOURCES = \
	tests/unit/test-state-seal.c tests/unit/unit.h
tests_unit_test_state_seal_LDADD = $(UNIT_LDADD)

tests_unit_test_onward_SOURCES = tests/unit/test-onward.c tests/unit/unit.h
tests_unit_test_onward_LDADD = $(UNIT_LDADD)

tests_unit_test_ticket_SOURCES = tests/unit/test-ticket.c tests/unit/unit.h
tests_unit_test_ticket_LDADD = $(UNIT_LDADD)

# A controller without wires: see the top of controller-world.h.
CONTROLLER_WORLD = tests/unit/controller-world.c \
	tests/unit/controller-world.h tests/unit/unit.h
CONTROLLER_WORLD_WRAPS = $(AM_LDFLAGS) -Wl,--wrap=time_msec \
	-Wl,--wrap=link_notify -Wl,--wrap=link_reply -Wl,--wrap=link_reply_error \
	-Wl,--wrap=link_reply_error_object -Wl,--wrap=link_get_peer \
	-Wl,--wrap=link_get_name -Wl,--wrap=link_drop -Wl,--wrap=link_get_backlog \
	-Wl,--wrap=device_conn_link -Wl,--wrap=device_conn_device \
	-Wl,--wrap=device_conn_bind -Wl,--wrap=device_conn_drop \
	-Wl,--wrap=identity_verify -Wl,--wrap=network_find \
	-Wl,--wrap=network_next -Wl,--wrap=network_set_block \
	-Wl,--wrap=network_set_session -Wl,--wrap=network_unset \
	-Wl,--wrap=network_flush -Wl,--wrap=network_flush_all \
	-Wl,--wrap=bridge_get_name -Wl,--wrap=bridge_is_synchronised \
	-Wl,--wrap=bridge_port_to_name -Wl,--wrap=bridge_acked \
	-Wl,--wrap=bridge_send_to_port -Wl,--wrap=bridge_send_through \
	-Wl,--wrap=bridge_send_to_vlan \
	-Wl,--wrap=bridge_send_past_guard -Wl,--wrap=bridge_send_tunnel

tests_unit_test_attachment_SOURCES = tests/unit/test-attachment.c \
	$(CONTROLLER_WORLD)
tests_unit_test_attachment_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_attachment_LDFLAGS = $(CONTROLLER_WORLD_WRAPS)
tests_unit_test_attachment_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_methods_SOURCES = tests/unit/test-methods.c \
	$(CONTROLLER_WORLD)
tests_unit_test_methods_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_methods_LDFLAGS = $(CONTROLLER_WORLD_WRAPS)
tests_unit_test_methods_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_name_ledger_SOURCES = tests/unit/test-name-ledger.c
tests_unit_test_name_ledger_LDADD = $(UNIT_LDADD)

tests_unit_test_neighbour_SOURCES = tests/unit/test-neighbour.c \
	tests/unit/unit.h
tests_unit_test_neighbour_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_neighbour_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_too_big_SOURCES = tests/unit/test-too-big.c tests/unit/unit.h
tests_unit_test_too_big_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_too_big_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_device_SOURCES = tests/unit/test-device.c tests/unit/unit.h
tests_unit_test_device_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_device_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_session_SOURCES = tests/unit/test-session.c tests/unit/unit.h
tests_unit_test_session_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_session_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_holder_SOURCES = tests/unit/test-holder.c tests/unit/unit.h
tests_unit_test_holder_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_holder_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_mapping_SOURCES = tests/unit/test-mapping.c tests/unit/unit.h
tests_unit_test_mapping_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_mapping_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_lease_SOURCES = tests/unit/test-lease.c tests/unit/unit.h
tests_unit_test_lease_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_lease_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_record_SOURCES = tests/unit/test-record.c tests/unit/unit.h
tests_unit_test_record_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_record_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_permanent_SOURCES = tests/unit/test-permanent.c \
	$(CONTROLLER_WORLD)
tests_unit_test_permanent_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_permanent_LDFLAGS = $(CONTROLLER_WORLD_WRAPS)
tests_unit_test_permanent_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_roaming_SOURCES = tests/unit/test-roaming.c \
	$(CONTROLLER_WORLD)
tests_unit_test_roaming_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_roaming_LDFLAGS = $(CONTROLLER_WORLD_WRAPS)
tests_unit_test_roaming_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_device_tunnel_SOURCES = tests/unit/test-device-tunnel.c \
	$(CONTROLLER_WORLD)
tests_unit_test_device_tunnel_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_device_tunnel_LDFLAGS = $(CONTROLLER_WORLD_WRAPS)
tests_unit_test_device_tunnel_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_transfer_checks_SOURCES = \
	tests/unit/test-transfer-checks.c $(CONTROLLER_WORLD)
tests_unit_test_transfer_checks_CPPFLAGS = $(AM_CPPFLAGS) \
	-I$(srcdir)/controller
tests_unit_test_transfer_checks_LDFLAGS = $(CONTROLLER_WORLD_WRAPS)
tests_unit_test_transfer_checks_LDADD = controller/libcontroller.la \
	$(UNIT_LDADD)

tests_unit_test_transfer_SOURCES = tests/unit/test-transfer.c tests/unit/unit.h
tests_unit_test_transfer_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/controller
tests_unit_test_transfer_LDADD = controller/libcontroller.la $(UNIT_LDADD)

tests_unit_test_http_SOURCES = tests/unit/test-http.c tests/unit/unit.h \
	utilities/http.c utilities/http.h
tests_unit_test_http_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/utilities
tests_unit_test_http_LDADD = $(UNIT_LDADD)

tests_unit_test_stream_count_SOURCES = tests/unit/test-stream-count.c \
	tests/unit/unit.h utilities/stream-count.c utilities/stream-count.h
tests_unit_test_stream_count_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/utilities
tests_unit_test_stream_count_LDADD = $(UNIT_LDADD)

# Two agents without wires or kernels: see the top of agent-world.h.
AGENT_WORLD = tests/unit/agent-world.c tests/unit/agent-world.h \
	tests/unit/unit.h
AGENT_WORLD_WRAPS = $(AM_LDFLAGS) \
	-Wl,--wrap=time_msec -Wl,--wrap=poll_timer_wait_until_at \
	-Wl,--wrap=poll_timer_wait_at -Wl,--wrap=poll_fd_wait_at \
	-Wl,--wrap=link_notify -Wl,--wrap=link_request \
	-Wl,--wrap=link_get_error -Wl,--wrap=controller_link_get \
	-Wl,--wrap=controller_link_is_registered \
	-Wl,--wrap=controller_link_get_ifname \
	-Wl,--wrap=controller_link_get_sa_id \
	-Wl,--wrap=controller_link_get_sa_key \
	-Wl,--wrap=controller_link_get_nonce -Wl,--wrap=attachment_flush \
	-Wl,--wrap=peers_send -Wl,--wrap=peers_connect -Wl,--wrap=peers_drop \
	-Wl,--wrap=peers_is_connected -Wl,--wrap=peers_get_error \
	-Wl,--wrap=identity_get_name -Wl,--wrap=identity_sign \
	-Wl,--wrap=identity_verify -Wl,--wrap=app_conn_send \
	-Wl,--wrap=app_conn_uid -Wl,--wrap=app_conn_is_ready \
	-Wl,--wrap=app_conn_has_stopped -Wl,--wrap=app_conn_stops_quickly \
	-Wl,--wrap=service_find_application -Wl,--wrap=address_close_output \
	-Wl,--wrap=address_open_output -Wl,--wrap=address_add \
	-Wl,--wrap=address_del -Wl,--wrap=address_is_local \
	-Wl,--wrap=next_hops_of \
	-Wl,--wrap=late_packets_catch -Wl,--wrap=late_packets_release \
	-Wl,--wrap=late_packets_next -Wl,--wrap=late_packets_get_stats \
	-Wl,--wrap=late_packets_deliver -Wl,--wrap=getsockname \
	-Wl,--wrap=getpeername -Wl,--wrap=socket_state_inspect \
	-Wl,--wrap=socket_state_check -Wl,--wrap=socket_state_hold_new \
	-Wl,--wrap=socket_state_freeze -Wl,--wrap=socket_state_capture \
	-Wl,--wrap=socket_state_thaw -Wl,--wrap=socket_state_discard \
	-Wl,--wrap=socket_state_settle -Wl,--wrap=socket_state_destroy \
	-Wl,--wrap=socket_state_get_info -Wl,--wrap=socket_state_encode \
	-Wl,--wrap=socket_state_decode -Wl,--wrap=socket_state_restore \
	-Wl,--wrap=socket_state_unmute -Wl,--wrap=socket_state_catcher \
	-Wl,--wrap=socket_state_take_datagram

tests_unit_test_handover_SOURCES = tests/unit/test-handover.c $(AGENT_WORLD)
tests_unit_test_handover_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd \
	-I$(srcdir)/lib/socket-state
tests_unit_test_handover_LDFLAGS = $(AGENT_WORLD_WRAPS)
tests_unit_test_handover_LDADD = agentd/libagentd.la $(UNIT_LDADD)

TLS_CPPFLAGS = $(AM_CPPFLAGS) \
	-DBATON_PKI=\"$(abs_top_srcdir)/utilities/baton-pki\"

tests_unit_test_link_SOURCES = tests/unit/test-link.c tests/unit/tls.h \
	tests/unit/unit.h
tests_unit_test_link_CPPFLAGS = $(TLS_CPPFLAGS)
tests_unit_test_link_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=time_msec \
	-Wl,--wrap=stream_open
tests_unit_test_link_LDADD = $(UNIT_LDADD)

tests_unit_test_peer_link_SOURCES = tests/unit/test-peer-link.c \
	tests/unit/tls.h tests/unit/unit.h
tests_unit_test_peer_link_CPPFLAGS = $(TLS_CPPFLAGS) -I$(srcdir)/agentd
tests_unit_test_peer_link_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=time_msec
tests_unit_test_peer_link_LDADD = agentd/libagentd.la $(UNIT_LDADD)

tests_unit_test_message_SOURCES = tests/unit/test-message.c tests/unit/unit.h
tests_unit_test_message_LDADD = $(UNIT_LDADD)

tests_unit_test_packet_queue_SOURCES = tests/unit/test-packet-queue.c tests/unit/unit.h
tests_unit_test_packet_queue_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
tests_unit_test_packet_queue_LDADD = agentd/libagentd.la $(UNIT_LDADD)

tests_unit_test_latency_SOURCES = tests/unit/test-latency.c tests/unit/unit.h
tests_unit_test_latency_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=time_msec
tests_unit_test_latency_LDADD = $(UNIT_LDADD)

tests_unit_test_note_SOURCES = tests/unit/test-note.c tests/unit/unit.h
tests_unit_test_note_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
tests_unit_test_note_LDADD = agentd/libagentd.la $(UNIT_LDADD)

tests_unit_test_agent_session_SOURCES = tests/unit/test-agent-session.c tests/unit/unit.h
tests_unit_test_agent_session_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd \
	-I$(srcdir)/lib/socket-state
tests_unit_test_agent_session_LDADD = agentd/libagentd.la $(UNIT_LDADD)

tests_unit_test_dns_message_SOURCES = tests/unit/test-dns-message.c
tests_unit_test_dns_message_LDADD = $(UNIT_LDADD)

tests_unit_test_handoff_SOURCES = tests/unit/test-handoff.c tests/unit/unit.h
tests_unit_test_handoff_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd \
	-I$(srcdir)/lib/socket-state
tests_unit_test_handoff_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=socket_state_encode \
	-Wl,--wrap=socket_state_decode \
	-Wl,--wrap=socket_state_destroy \
	-Wl,--wrap=socket_state_get_info \
	-Wl,--wrap=address_is_local
tests_unit_test_handoff_LDADD = agentd/libagentd.la $(UNIT_LDADD)

tests_unit_test_whole_state_SOURCES = tests/unit/test-whole-state.c \
	tests/unit/unit.h
tests_unit_test_whole_state_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
tests_unit_test_whole_state_LDADD = agentd/libagentd.la $(UNIT_LDADD)

tests_unit_test_service_SOURCES = tests/unit/test-service.c tests/unit/unit.h
tests_unit_test_service_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
tests_unit_test_service_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=controller_link_get_registration \
	-Wl,--wrap=app_server_find \
	-Wl,--wrap=app_server_start
tests_unit_test_service_LDADD = agentd/libagentd.la $(UNIT_LDADD)

# Applications, with a stand-in for the agent.
check_PROGRAMS += tests/apps/stand-in-agent
tests_apps_stand_in_agent_SOURCES = tests/apps/stand-in-agent.c
tests_apps_stand_in_agent_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/agentd
tests_apps_stand_in_agent_LDADD = agentd/libagentd.la $(BATON_LIBS)
TESTS += tests/apps/run
EXTRA_DIST += tests/apps/run

TESTS += tests/completion/run
EXTRA_DIST += tests/completion/run

tests_unit_test_baton_ctl_SOURCES = \
	tests/unit/test-baton-ctl.c tests/unit/unit.h
tests_unit_test_baton_ctl_CPPFLAGS = $(AM_CPPFLAGS) \
	-DBATON_CTL=\"$(abs_top_builddir)/utilities/baton-ctl\"
tests_unit_test_baton_ctl_LDADD = $(UNIT_LDADD)

tests_unit_test_timeline_draw_SOURCES = \
	tests/unit/test-timeline-draw.c tests/unit/unit.h \
	utilities/timeline-draw.c utilities/timeline-draw.h
tests_unit_test_timeline_draw_CPPFLAGS = $(AM_CPPFLAGS) \
	-I$(srcdir)/utilities
tests_unit_test_timeline_draw_LDADD = $(UNIT_LDADD)

tests_unit_test_socket_state_SOURCES = tests/unit/test-socket-state.c \
	tests/unit/unit.h
tests_unit_test_socket_state_CPPFLAGS = -D_GNU_SOURCE \
	-I$(srcdir)/lib/socket-state
tests_unit_test_socket_state_LDADD = $(CUNIT_LIBS) \
	lib/socket-state/libsocketstate.la

# The protocol's model: that it is the code's, always; what spin finds in it,
# where spin is.
TESTS += tests/model/compare
EXTRA_DIST += tests/model/compare
EXTRA_DIST += tests/model/run
EXTRA_DIST += tests/model/transfer.pml

check-model:
	$(srcdir)/tests/model/compare
	$(srcdir)/tests/model/run

# Faults on purpose, on live streams; needs root.
TESTS += tests/fault/absent
EXTRA_DIST += tests/fault/absent
EXTRA_DIST += tests/fault/points
EXTRA_DIST += tests/fault/run
EXTRA_DIST += tests/fault/soak
EXTRA_DIST += tests/fault/walk

check-fault: all
	$(srcdir)/tests/fault/run --build=$(abs_top_builddir)

SOAK_MINUTES = 60
SOAK_SEED = 1
soak: all
	$(srcdir)/tests/fault/soak --build=$(abs_top_builddir) \
	    --seed=$(SOAK_SEED) --minutes=$(SOAK_MINUTES)

.PHONY: check-model check-fault soak

include tests/bench/automake.mk
include tests/fuzz/automake.mk
include tests/sandbox/automake.mk
