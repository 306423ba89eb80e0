# SPDX-License-Identifier: Apache-2.0

dist_man_MANS += \
	Documentation/baton-agentd.8 \
	Documentation/baton-ctl.8 \
	Documentation/baton-controller.8 \
	Documentation/baton-pki.8 \
	Documentation/baton-policy.5

# Of applications, and for those who write them.
dist_man_MANS += \
	Documentation/baton-serve.1 \
	Documentation/baton-stream.1 \
	Documentation/baton.1 \
	Documentation/baton_close.3 \
	Documentation/baton_error.3 \
	Documentation/baton_fd.3 \
	Documentation/baton_next_event.3 \
	Documentation/baton_open.3 \
	Documentation/baton_session_add.3 \
	Documentation/baton_session_answer.3 \
	Documentation/baton_session_end.3 \
	Documentation/baton_session_info.3 \
	Documentation/baton_session_move.3 \
	Documentation/baton_session_open.3 \
	Documentation/baton_session_remove.3 \
	Documentation/libbaton.3

EXTRA_DIST += \
	Documentation/architecture.rst \
	Documentation/benchmarks.rst \
	Documentation/database.rst \
	Documentation/mapping.rst \
	Documentation/measured.rst \
	Documentation/names.rst \
	Documentation/plain-lan.rst \
	Documentation/transfer.svg \
	Documentation/sites.rst \
	Documentation/socket-state.rst \
	Documentation/wire-protocol.rst
