/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Both state machines of a handover, against each other and alone: what each
 * state does, its deadline, its way out, and that no datagram is lost or comes
 * twice.  See agent-world.h. */

#include "agent-world.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "epochs.h"
#include "openvswitch/json.h"
#include "registration.h"
#include "unit.h"
#include "util.h"
#include "uuid.h"

#define TRANSFER "00000001-0000-0002-0000-000300000004"
#define SESSION "00000005-0000-0006-0000-000700000008"
#define ABOUT                                          \
    "'transfer': '" TRANSFER "', 'session': '" SESSION \
    "', 'address': '10.1.0.100'"

static struct session *s;
static struct uuid s_id; /* Its, also when it is gone. */

static void
decide(struct world_end *end, const char *what)
{
    world_controller(end, what, "{" ABOUT ", 'epoch': 1}");
}

static void
expect(void)
{
    world_controller(&world_g, "expect",
                     "{" ABOUT ", 'epoch': 0, 'from': 'laptop',"
                     " 'endpoint': 'ssl:10.1.0.11:6655',"
                     " 'certificate': 'PEM', 'name': 'film',"
                     " 'service': 'files'}");
}

/* Brings both to a state, step by step. */
enum stage { INTRODUCED, OFFERED, ACCEPTED, PAUSED, GO, STATE, CLAIMED };

static void
begin(void)
{
    char *error = NULL;

    world_begin();
    s = world_open(&world_t);
    s_id = s->id;
    CU_ASSERT_FATAL(
        give_start(&world_t.agent, s, "tv", "", world_mover, NULL, &error));
}

static void
introduced(void)
{
    world_reply(&world_t, "introduce",
                "{'transfer': '" TRANSFER "', 'epoch': 0,"
                " 'endpoint': 'ssl:10.1.0.12:6655', 'certificate': 'PEM',"
                " 'onward': 'any'}");
}

static void
bring_to(enum stage stage)
{
    begin();
    expect();
    introduced();
    if (stage >= OFFERED) {
        world_run(&world_t);
    }
    if (stage >= ACCEPTED) {
        world_frames(&world_t, &world_g);
        world_frames(&world_g, &world_t);
    }
    if (stage >= PAUSED) {
        world_app(&world_t, APP_PAUSED);
    }
    if (stage >= GO) {
        world_reply(&world_t, "prepare", "{}");
    }
    if (stage >= STATE) {
        world_frames(&world_t, &world_g);
    }
    if (stage >= CLAIMED) {
        world_app(&world_g, APP_READY);
    }
}

static void
assert_state(struct world_end *end, enum handover_state state)
{
    const struct handover *h = world_handover(end);

    CU_ASSERT_FATAL(h != NULL);
    CU_ASSERT_EQUAL(h->state, state);
}

static void
assert_owner_as_it_was(void)
{
    CU_ASSERT_PTR_NULL(s->handover);
    CU_ASSERT(!world_t.output_closed);
    CU_ASSERT_STRING_EQUAL(world_t.bound, "eth0");
    CU_ASSERT(!world_socket(&world_t, false)->frozen);
    CU_ASSERT(!world_socket(&world_t, false)->held);
    CU_ASSERT(!world_socket(&world_t, false)->discarded);
    CU_ASSERT_EQUAL(world_told(&world_t, APP_MOVED), 1);
}

static void
assert_target_clean(void)
{
    CU_ASSERT_PTR_NULL(world_handover(&world_g));
    CU_ASSERT(!world_g.output_closed);
    CU_ASSERT_STRING_EQUAL(world_g.bound, "");
    CU_ASSERT(hmap_is_empty(&world_g.agent.sessions.by_id));
}

/* The target has said that it gives up, and is told that it is over. */
static void
assert_declined(void)
{
    CU_ASSERT_EQUAL(world_sent(&world_g, "decline"), 1);
    decide(&world_g, "aborted");
    world_warp(1000);
    assert_target_clean();
}

static void
test_moves(void)
{
    struct session *there;

    bring_to(PAUSED);
    world_datagram(&world_t, 1); /* Before `go'. */
    world_reply(&world_t, "prepare", "{}");
    assert_state(&world_t, GIVE_FROZEN);
    CU_ASSERT(world_t.output_closed);
    world_datagram(&world_t, 2); /* Late. */
    world_datagram(&world_g, 3); /* Redirected already. */
    world_warp(10);
    world_frames(&world_t, &world_g);
    assert_state(&world_g, TAKE_MUTED);
    CU_ASSERT(world_g.output_closed);
    CU_ASSERT_STRING_EQUAL(world_g.bound, "lo");
    CU_ASSERT_EQUAL(world_told(&world_g, APP_ARRIVED), 1);
    CU_ASSERT_EQUAL(world_count(&world_g, 1), 0);
    world_datagram(&world_g, 4); /* Into the restored socket. */
    world_app(&world_g, APP_READY);
    CU_ASSERT_EQUAL(world_sent(&world_g, "claim"), 1);

    decide(&world_g, "owned");
    CU_ASSERT(!world_g.output_closed);
    CU_ASSERT(!world_socket(&world_g, false)->muted);
    CU_ASSERT_EQUAL(world_told(&world_g, APP_OWNED), 1);
    there = session_find(&world_g.agent.sessions, &s_id);
    CU_ASSERT_FATAL(there != NULL);
    CU_ASSERT_EQUAL(there->epoch, 1);

    world_datagram(&world_t, 5); /* The switch's lag. */
    decide(&world_t, "released");
    assert_state(&world_t, GIVE_DRAINING);
    CU_ASSERT_EQUAL(world_told(&world_t, APP_GONE), 1);
    CU_ASSERT(hmap_is_empty(&world_t.agent.sessions.by_id));
    world_datagram(&world_t, 6);
    world_warp(10);
    world_frames(&world_t, &world_g);
    for (unsigned int id = 1; id <= 6; id++) {
        CU_ASSERT_EQUAL(world_count(&world_g, id), 1);
    }
    world_warp(300);
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    CU_ASSERT_STRING_EQUAL(world_t.bound, "");
    world_frames(&world_t, &world_g);
    world_warp(10);
    CU_ASSERT_PTR_NULL(world_handover(&world_g));
    CU_ASSERT_STRING_EQUAL(world_g.bound, "eth0");
    world_end();
}

/* The session is asked to move on while T still relays what was late. */
static void
test_late_packets_of_the_move_before(void)
{
    struct session *there;
    char *error = NULL;

    bring_to(CLAIMED);
    decide(&world_g, "owned");
    decide(&world_t, "released");
    there = session_find(&world_g.agent.sessions, &s_id);
    CU_ASSERT_FATAL(there != NULL);
    CU_ASSERT(
        give_start(&world_g.agent, there, "phone", "", NULL, NULL, &error));
    free(error);
    world_datagram(&world_t, 7);
    world_warp(10);
    world_frames(&world_t, &world_g);
    CU_ASSERT_EQUAL(world_count(&world_g, 7), 1);
    world_end();
}

/* Deadlines of the transferring device. */

static void
test_introduction_takes_too_long(void)
{
    begin();
    world_warp(4990);
    assert_state(&world_t, GIVE_INTRODUCING);
    world_warp(10);
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    assert_owner_as_it_was();
    /* A late answer begins nothing. */
    introduced();
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    world_end();
}

static void
test_introduction_refused(void)
{
    begin();
    world_reply_error(&world_t, "introduce");
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    assert_owner_as_it_was();
    world_end();
}

static void
test_no_connection_goes_by_relay(void)
{
    bring_to(INTRODUCED);
    world_t.connected = false;
    world_warp(1990);
    assert_state(&world_t, GIVE_CONNECTING);
    world_warp(10);
    assert_state(&world_t, GIVE_OFFERED);
    CU_ASSERT_EQUAL(world_sent(&world_t, "relay"), 1);
    world_end();
}

static void
test_offer_is_not_answered(void)
{
    bring_to(OFFERED);
    assert_state(&world_t, GIVE_OFFERED);
    world_warp(29990);
    assert_state(&world_t, GIVE_OFFERED);
    world_warp(10);
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    CU_ASSERT_EQUAL(world_sent(&world_t, "withdraw"), 1);
    assert_owner_as_it_was();
    world_end();
}

/* The controller knows that the target has gone. */
static void
test_withdrawn(void)
{
    for (int i = 0; i < 3; i++) {
        bring_to(i ? OFFERED : INTRODUCED);
        if (i == 2) {
            world_socket(&world_t, false)->in_flight = 10;
            world_frames(&world_t, &world_g);
            world_frames(&world_g, &world_t);
            assert_state(&world_t, GIVE_PAUSING);
        }
        world_controller(&world_t, "unexpect",
                         "{'transfer': '" TRANSFER "', 'reason': 'gone'}");
        CU_ASSERT_PTR_NULL(world_handover(&world_t));
        assert_owner_as_it_was();
        world_end();
    }
    bring_to(GO);
    world_controller(&world_t, "unexpect", "{'transfer': '" TRANSFER "'}");
    assert_state(&world_t, GIVE_FROZEN);
    world_end();
}

/* It stops becoming less only after a second: then it is enough. */
static void
test_settles_for_a_second(void)
{
    struct world_socket *socket;

    bring_to(OFFERED);
    socket = world_socket(&world_t, false);
    socket->in_flight = 200;
    world_frames(&world_t, &world_g);
    world_frames(&world_g, &world_t);
    world_app(&world_t, APP_PAUSED);
    for (int i = 0; i < 99; i++) {
        socket->in_flight--;
        world_warp(10);
        assert_state(&world_t, GIVE_SETTLING);
    }
    socket->in_flight--;
    world_warp(10);
    assert_state(&world_t, GIVE_PREPARING);
    world_end();
}

static void
test_application_does_not_pause(void)
{
    bring_to(OFFERED);
    world_socket(&world_t, false)->in_flight = 10;
    world_frames(&world_t, &world_g);
    world_frames(&world_g, &world_t);
    assert_state(&world_t, GIVE_PAUSING);
    CU_ASSERT_EQUAL(world_told(&world_t, APP_PAUSE), 1);
    world_warp(990);
    assert_state(&world_t, GIVE_PAUSING);
    world_warp(10);
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    CU_ASSERT_EQUAL(world_told(&world_t, APP_RESUME), 1);
    assert_owner_as_it_was();
    world_end();
}

/* What is in flight is waited for, while it becomes less. */
static void
test_waits_for_acknowledgements(void)
{
    bring_to(OFFERED);
    world_socket(&world_t, false)->in_flight = 10;
    world_frames(&world_t, &world_g);
    world_frames(&world_g, &world_t);
    world_app(&world_t, APP_PAUSED);
    assert_state(&world_t, GIVE_SETTLING);
    for (unsigned int n = 9; n > 3; n--) {
        world_warp(40);
        assert_state(&world_t, GIVE_SETTLING);
        world_socket(&world_t, false)->in_flight = n;
    }
    CU_ASSERT_EQUAL(world_sent(&world_t, "prepare"), 0);
    world_warp(100);
    assert_state(&world_t, GIVE_PREPARING);
    CU_ASSERT_EQUAL(world_sent(&world_t, "prepare"), 1);
    world_end();
}

/* Nothing in flight: the notice goes out while the application stops; nothing
 * freezes before it has. */
static void
test_notice_beside_pause(void)
{
    bring_to(ACCEPTED);
    assert_state(&world_t, GIVE_PREPARING);
    CU_ASSERT_EQUAL(world_told(&world_t, APP_PAUSE), 1);
    world_reply(&world_t, "prepare", "{}");
    assert_state(&world_t, GIVE_PREPARING);
    CU_ASSERT(!world_socket(&world_t, false)->frozen);
    CU_ASSERT(!world_t.output_closed);
    world_app(&world_t, APP_PAUSED);
    assert_state(&world_t, GIVE_FROZEN);
    CU_ASSERT(world_socket(&world_t, false)->frozen);
    world_end();
}

/* An application that stops quickly goes on, and reads, until `go'. */
static void
test_pause_after_go(void)
{
    begin();
    world_t.app_quick = true;
    expect();
    introduced();
    world_run(&world_t);
    world_frames(&world_t, &world_g);
    world_frames(&world_g, &world_t);
    assert_state(&world_t, GIVE_PREPARING);
    CU_ASSERT_EQUAL(world_told(&world_t, APP_PAUSE), 0);
    CU_ASSERT_EQUAL(world_sent(&world_t, "prepare"), 1);
    world_datagram(&world_t, 1);
    CU_ASSERT(world_wakeup(&world_t) > world_now); /* Not ours to read. */
    world_run(&world_t);
    CU_ASSERT_EQUAL(world_socket(&world_t, true)->n_ids, 1);
    world_reply(&world_t, "prepare", "{}");
    CU_ASSERT_EQUAL(world_told(&world_t, APP_PAUSE), 1);
    assert_state(&world_t, GIVE_PREPARING);
    CU_ASSERT(!world_t.output_closed);
    world_app(&world_t, APP_PAUSED);
    assert_state(&world_t, GIVE_FROZEN);
    world_end();
}

/* What fails before the application was asked is not its business. */
static void
test_refused_before_pause(void)
{
    begin();
    world_t.app_quick = true;
    expect();
    introduced();
    world_run(&world_t);
    world_frames(&world_t, &world_g);
    world_frames(&world_g, &world_t);
    world_reply_error(&world_t, "prepare");
    CU_ASSERT_EQUAL(world_told(&world_t, APP_PAUSE), 0);
    CU_ASSERT_EQUAL(world_told(&world_t, APP_RESUME), 0);
    assert_owner_as_it_was();
    world_end();
}

/* An application that may not be disturbed says so, before `go' or after. */
static void
test_application_refuses_to_pause(void)
{
    bring_to(ACCEPTED);
    world_app(&world_t, APP_REFUSE);
    assert_state(&world_t, GIVE_RESUMED);
    CU_ASSERT_EQUAL(world_sent(&world_t, "withdraw"), 1);
    CU_ASSERT_EQUAL(world_told(&world_t, APP_RESUME), 1);
    assert_owner_as_it_was();
    world_end();

    bring_to(ACCEPTED);
    world_reply(&world_t, "prepare", "{}");
    world_app(&world_t, APP_REFUSE);
    assert_state(&world_t, GIVE_RESUMED);
    CU_ASSERT_EQUAL(world_told(&world_t, APP_RESUME), 1);
    assert_owner_as_it_was();
    world_end();

    /* Too late: it has stopped. */
    bring_to(PAUSED);
    world_app(&world_t, APP_REFUSE);
    assert_state(&world_t, GIVE_PREPARING);
    world_end();
}

static void
test_application_does_not_pause_after_go(void)
{
    bring_to(ACCEPTED);
    world_warp(500);
    world_reply(&world_t, "prepare", "{}");
    world_warp(990);
    assert_state(&world_t, GIVE_PREPARING);
    world_warp(10);
    assert_state(&world_t, GIVE_RESUMED);
    CU_ASSERT_EQUAL(world_sent(&world_t, "withdraw"), 1);
    CU_ASSERT_EQUAL(world_told(&world_t, APP_RESUME), 1);
    assert_owner_as_it_was();
    world_end();
}

static void
test_late_go_is_ignored(void)
{
    bring_to(PAUSED);
    assert_state(&world_t, GIVE_PREPARING);
    world_datagram(&world_t, 1);
    world_warp(1990);
    assert_state(&world_t, GIVE_PREPARING);
    world_warp(10);
    assert_state(&world_t, GIVE_RESUMED);
    assert_owner_as_it_was();
    CU_ASSERT_EQUAL(world_count(&world_t, 1), 1);
    CU_ASSERT_EQUAL(world_sent(&world_t, "withdraw"), 1);

    world_reply(&world_t, "prepare", "{}");
    assert_state(&world_t, GIVE_RESUMED);
    assert_owner_as_it_was();
    /* The controller's abort still raises the epoch. */
    decide(&world_t, "aborted");
    CU_ASSERT_EQUAL(s->epoch, 1);
    assert_owner_as_it_was();
    /* As long as the target may still bring back what it caught. */
    world_warp(6000);
    assert_state(&world_t, GIVE_RESUMED);
    world_warp(HANDOVER_RESUMED_TIMEOUT - 10);
    assert_state(&world_t, GIVE_RESUMED);
    world_warp(10);
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    world_end();
}

/* A transfer goes on under the security association it was introduced with. */
static void
test_association_renewed(void)
{
    uint8_t before[SEAL_KEY_LEN];
    uint64_t id = world_sa_id;

    memcpy(before, world_sa_key, sizeof before);
    bring_to(ACCEPTED);
    world_sa_id++;
    memset(world_sa_key, 9, sizeof world_sa_key);
    world_app(&world_t, APP_PAUSED);
    CU_ASSERT_EQUAL(world_sent(&world_t, "prepare"), 1);
    assert_state(&world_t, GIVE_PREPARING);
    world_reply(&world_t, "prepare", "{}");
    assert_state(&world_t, GIVE_FROZEN);
    CU_ASSERT_EQUAL(world_flush_sa_id, id);
    CU_ASSERT_EQUAL(memcmp(world_flush_sa_key, before, sizeof before), 0);
    world_end();
}

/* Without the controller nothing can come of it, and nobody waits. */
static void
test_controller_lost(void)
{
    static const enum stage stages[] = { INTRODUCED, OFFERED, ACCEPTED,
                                         PAUSED };

    begin();
    world_run(&world_t);
    world_t.registered = false;
    world_run(&world_t);
    assert_owner_as_it_was();
    world_end();
    for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
        bring_to(stages[i]);
        world_run(&world_t);
        world_t.registered = false;
        world_run(&world_t);
        CU_ASSERT_EQUAL(world_told(&world_t, APP_MOVED), 1);
        CU_ASSERT_PTR_NULL(s->handover);
        world_warp(3000);
        assert_owner_as_it_was();
        world_end();
    }

    bring_to(GO);
    world_run(&world_t);
    world_t.registered = false;
    world_run(&world_t);
    assert_state(&world_t, GIVE_FROZEN);
    world_end();
}

static void
test_prepare_refused(void)
{
    bring_to(PAUSED);
    world_reply_error(&world_t, "prepare");
    assert_owner_as_it_was();
    world_end();
}

static void
test_frozen_asks_and_is_lost(void)
{
    static const int pauses[] = { 100, 200, 400, 800, 1600, 3200, 5000, 5000 };

    bring_to(GO);
    assert_state(&world_t, GIVE_FROZEN);
    for (size_t i = 0; i < ARRAY_SIZE(pauses); i++) {
        world_forget(&world_t);
        world_warp(pauses[i] - 10);
        CU_ASSERT_EQUAL(world_sent(&world_t, "ask"), 0);
        world_warp(10);
        CU_ASSERT_EQUAL(world_sent(&world_t, "ask"), 1);
    }
    world_controller(&world_t, "pending", "{'transfer': '" TRANSFER "'}");
    for (int i = 0; i < 15 * 60 * 10 - 1; i++) {
        world_forget(&world_t);
        world_forget(&world_g);
        world_warp(100);
    }
    assert_state(&world_t, GIVE_FROZEN);
    CU_ASSERT(world_t.output_closed);
    world_warp(100);
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    CU_ASSERT_EQUAL(world_told(&world_t, APP_GONE), 1);
    CU_ASSERT_STRING_EQUAL(world_t.bound, "");
    CU_ASSERT(!world_t.output_closed);
    CU_ASSERT(hmap_is_empty(&world_t.agent.sessions.by_id));
    world_end();
}

static void
test_capture_fails(void)
{
    bring_to(PAUSED);
    world_t.capture_fails = true;
    world_reply(&world_t, "prepare", "{}");
    /* Only the controller may abort now. */
    assert_state(&world_t, GIVE_FROZEN);
    CU_ASSERT_EQUAL(world_sent(&world_t, "withdraw"), 1);
    decide(&world_t, "aborted");
    assert_owner_as_it_was();
    world_end();
}

static void
test_draining_ends(void)
{
    bring_to(CLAIMED);
    decide(&world_t, "released");
    /* Packets keep coming: one second at the most. */
    for (unsigned int i = 0; i < 99; i++) {
        world_datagram(&world_t, i);
        world_warp(10);
    }
    assert_state(&world_t, GIVE_DRAINING);
    CU_ASSERT_STRING_EQUAL(world_t.bound, "lo"); /* It is silent. */
    CU_ASSERT_EQUAL(world_sent(&world_t, "left"), 0);
    world_warp(10);
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    CU_ASSERT_EQUAL(world_sent(&world_t, "left"), 1);
    CU_ASSERT_STRING_EQUAL(world_t.bound, "");
    world_end();
}

/* A target that did not become the owner says when it has let go. */
static void
test_target_lets_go(void)
{
    bring_to(CLAIMED);
    decide(&world_g, "aborted");
    CU_ASSERT_STRING_EQUAL(world_g.bound, "lo");
    CU_ASSERT_EQUAL(world_sent(&world_g, "left"), 0);
    world_warp(1000);
    CU_ASSERT_STRING_EQUAL(world_g.bound, "");
    CU_ASSERT_EQUAL(world_sent(&world_g, "left"), 1);
    world_end();

    world_begin();
    expect();
    world_controller(&world_g, "unexpect",
                     "{'transfer': '" UUID_FMT "', 'reason': 'no'}",
                     UUID_ARGS(&world_transfer));
    CU_ASSERT_EQUAL(world_sent(&world_g, "left"), 1);
    world_end();
}

/* It has given up, but the controller, which is slow, has not heard of that:
 * inbound traffic comes to it until then, and goes back. */
static void
test_target_waits_until_told(void)
{
    static const char *const words[] = { "aborted", "unexpect" };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        bring_to(STATE);
        world_warp(1000);
        assert_state(&world_g, TAKE_RETURNING);
        world_forget(&world_g);
        world_warp(9000);
        CU_ASSERT(world_sent(&world_g, "decline") >= 4);
        world_datagram(&world_g, 1);
        world_warp(10);
        assert_state(&world_g, TAKE_RETURNING);
        CU_ASSERT(world_g.output_closed);
        decide(&world_t, "aborted");
        world_frames(&world_g, &world_t);
        CU_ASSERT_EQUAL(world_count(&world_t, 1), 1);
        decide(&world_g, words[i]);
        world_datagram(&world_g, 2); /* The switch's lag. */
        world_warp(10);
        world_frames(&world_g, &world_t);
        CU_ASSERT_EQUAL(world_count(&world_t, 2), 1);
        assert_state(&world_g, TAKE_RETURNING);
        world_warp(1000);
        assert_target_clean();
        world_end();
    }
}

/* A transferring device whose agent is away at the abort gets what was caught
 * for it when there is one again. */
static void
test_target_keeps(void)
{
    static const char resumed[] = "{\"msg\":\"resumed\"}";

    for (int back = 0; back < 2; back++) {
        bring_to(CLAIMED);
        world_forget(&world_g);
        world_g.connected = false;
        world_datagram(&world_g, 7);
        decide(&world_g, "aborted");
        world_warp(1000);
        assert_state(&world_g, TAKE_KEEPING);
        CU_ASSERT_STRING_EQUAL(world_g.bound, "");
        CU_ASSERT_EQUAL(world_sent(&world_g, "left"), 1);
        CU_ASSERT_EQUAL(world_sent(&world_g, "relay"), 0);
        if (back) {
            world_warp(28900);
            world_frame(&world_t, &world_g, PEER_MESSAGE, resumed,
                        strlen(resumed));
            CU_ASSERT_EQUAL(world_sent(&world_g, "relay"), 1);
            world_warp(10);
        } else {
            world_warp(30000);
            CU_ASSERT_EQUAL(world_sent(&world_g, "relay"), 0);
        }
        CU_ASSERT_PTR_NULL(world_handover(&world_g));
        world_end();
    }

    /* It says so once it is thawed. */
    bring_to(CLAIMED);
    world_forget(&world_t);
    world_t.connected = false;
    decide(&world_t, "aborted");
    CU_ASSERT_EQUAL(world_sent(&world_t, "relay"), 1);
    /* By way of a controller that may be away: until it has an answer. */
    world_warp(2000);
    CU_ASSERT(world_sent(&world_t, "relay") >= 4);
    world_forget(&world_t);
    world_frame(&world_g, &world_t, PEER_DRAINED, NULL, 0);
    world_warp(2000);
    CU_ASSERT_EQUAL(world_sent(&world_t, "relay"), 0);
    world_end();

    bring_to(PAUSED);
    world_t.connected = false;
    world_reply_error(&world_t, "prepare");
    world_frame(&world_g, &world_t, PEER_DRAINED, NULL, 0);
    world_warp(1000);
    assert_state(&world_t, GIVE_RESUMED);
    CU_ASSERT(world_wakeup(&world_t) > world_now);
    world_end();
}

/* Deadlines of the target. */

static void
test_expectation_ends(void)
{
    world_begin();
    expect();
    world_warp(29990);
    assert_state(&world_g, TAKE_EXPECTED);
    world_warp(10);
    assert_target_clean();
    world_end();
}

static void
test_application_starts_too_slowly(void)
{
    bring_to(OFFERED);
    world_g.app_ready = false;
    world_frames(&world_t, &world_g);
    assert_state(&world_g, TAKE_POSTPONED);
    world_warp(9990);
    assert_state(&world_g, TAKE_POSTPONED);
    world_warp(10);
    assert_target_clean();
    world_frames(&world_g, &world_t);
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    assert_owner_as_it_was();
    world_end();
}

static void
test_state_does_not_come(void)
{
    bring_to(ACCEPTED);
    assert_state(&world_g, TAKE_WAITING);
    world_warp(4990);
    assert_state(&world_g, TAKE_WAITING);
    world_warp(10);
    assert_declined();
    world_end();
}

static void
test_application_does_not_get_ready(void)
{
    bring_to(STATE);
    assert_state(&world_g, TAKE_MUTED);
    world_warp(990);
    assert_state(&world_g, TAKE_MUTED);
    world_warp(10);
    CU_ASSERT_EQUAL(world_told(&world_g, APP_GONE), 1);
    assert_declined();
    world_end();
}

static void
test_claimed_asks_without_end(void)
{
    bring_to(CLAIMED);
    for (int i = 0; i < 60 * 60 * 10; i++) {
        world_now += 100;
        if (!(i % 600)) {
            world_forget(&world_g);
        }
        world_run(&world_g);
    }
    assert_state(&world_g, TAKE_CLAIMED);
    CU_ASSERT(world_sent(&world_g, "ask") >= 11);
    world_controller(&world_g, "unexpect", "{'transfer': '" TRANSFER "'}");
    assert_state(&world_g, TAKE_CLAIMED);
    CU_ASSERT(world_g.output_closed);
    decide(&world_g, "aborted");
    world_warp(1000);
    assert_target_clean();
    world_end();
}

/* Aborts: what reached the target comes back, once. */

static void
abort_both(bool target_first)
{
    if (target_first) {
        decide(&world_g, "aborted");
        decide(&world_t, "aborted");
    } else {
        decide(&world_t, "aborted");
        decide(&world_g, "aborted");
    }
    world_datagram(&world_g, 8); /* The switch's lag. */
    for (int i = 0; i < 150; i++) {
        world_warp(10);
        world_frames(&world_g, &world_t);
        world_frames(&world_t, &world_g);
    }
    assert_target_clean();
    assert_owner_as_it_was();
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    CU_ASSERT_EQUAL(s->epoch, 1);
    for (unsigned int id = 1; id <= 8; id++) {
        if (world_count(&world_t, id) != 1) {
            printf("datagram %u: %zu times\n", id, world_count(&world_t, id));
        }
        CU_ASSERT_EQUAL(world_count(&world_t, id), 1);
    }
    world_end();
}

static void
abort_at(enum stage stage, bool target_first)
{
    bring_to(PAUSED);
    world_datagram(&world_t, 1);
    world_warp(10);
    world_reply(&world_t, "prepare", "{}");
    world_datagram(&world_t, 2);
    world_warp(10);
    world_datagram(&world_t, 3);
    world_datagram(&world_g, 4);
    world_warp(10);
    world_datagram(&world_g, 5);
    if (stage >= STATE) {
        world_frames(&world_t, &world_g);
        world_datagram(&world_g, 6);
        world_datagram(&world_t, 7);
        world_warp(10);
        world_frames(&world_t, &world_g);
    } else {
        world_datagram(&world_g, 6);
        world_datagram(&world_t, 7);
    }
    if (stage >= CLAIMED) {
        world_app(&world_g, APP_READY);
    }
    abort_both(target_first);
}

static void
test_aborts(void)
{
    for (int i = 0; i < 2; i++) {
        abort_at(GO, i);
        abort_at(STATE, i);
        abort_at(CLAIMED, i);
    }
}

/* A transfer of the same session to the same device, right after one that
 * was aborted. */
static void
test_again_after_abort(void)
{
    bring_to(STATE);
    decide(&world_g, "aborted");
    decide(&world_t, "aborted");
    world_frames(&world_g, &world_t);
    world_warp(100);
    world_forget(&world_g);
    world_forget(&world_t);
    world_controller(&world_g, "expect",
                     "{'transfer': '00000001-0000-0002-0000-000300000009',"
                     " 'session': '" SESSION "', 'address': '10.1.0.100',"
                     " 'epoch': 1, 'from': 'laptop',"
                     " 'endpoint': 'ssl:10.1.0.11:6655',"
                     " 'certificate': 'PEM', 'name': 'film',"
                     " 'service': 'files'}");
    CU_ASSERT(hmap_count(&world_g.agent.handovers) >= 1);
    world_end();
}

/* What the other side may try. */

static void
test_refusals_do_not_bounce(void)
{
    static const char refusal[] = "{\"msg\":\"refuse\",\"code\":\"x\","
                                  "\"reason\":\"y\"}";

    world_begin();
    world_frame(&world_g, &world_t, PEER_MESSAGE, refusal, strlen(refusal));
    CU_ASSERT_EQUAL(world_t.n_frames, 0);
    /* An offer that was not announced is answered. */
    world_frame(&world_t, &world_g, PEER_MESSAGE, "{\"msg\":\"offer\"}", 15);
    CU_ASSERT_EQUAL(world_g.n_frames, 1);
    world_end();
}

static void
test_offer_overtakes_announcement(void)
{
    static const char refusal[] = "{\"msg\":\"refuse\",\"code\":"
                                  "\"not-expected\",\"reason\":\"y\"}";
    struct handover *h;

    bring_to(OFFERED);
    world_frame(&world_g, &world_t, PEER_MESSAGE, refusal, strlen(refusal));
    assert_state(&world_t, GIVE_OFFERED);
    CU_ASSERT_EQUAL(world_wakeup(&world_t), world_now + 20);
    /* The first offer is accepted all the same: what was to be done again is
     * forgotten, and does not wake the agent for ever. */
    world_socket(&world_t, false)->in_flight = 10;
    world_frames(&world_t, &world_g);
    world_frames(&world_g, &world_t);
    assert_state(&world_t, GIVE_PAUSING);
    world_warp(30);
    CU_ASSERT(world_wakeup(&world_t) > world_now);
    h = world_handover(&world_t);
    CU_ASSERT_EQUAL(h->state, GIVE_PAUSING);
    world_end();
}

static void
late_packet(unsigned int id)
{
    uint8_t frame[34];
    uint8_t *packet;
    size_t n;

    packet = world_packet(id, &n);
    frame[0] = 0;
    frame[1] = n;
    memcpy(frame + 2, packet, n);
    free(packet);
    world_frame(&world_g, &world_t, PEER_LATE_PACKETS, frame, 2 + n);
}

/* Packets from a target that can have caught nothing yet: only those of our
 * own are delivered. */
static void
test_late_packets_too_early(void)
{
    bring_to(OFFERED);
    late_packet(1);
    world_warp(30000);
    assert_owner_as_it_was();
    CU_ASSERT_EQUAL(world_count(&world_t, 1), 0);
    world_end();
}

/* The target gives up and returns what it has caught before we have read the
 * answer to `prepare'. */
static void
test_late_packets_overtake_go(void)
{
    for (int end = 0; end < 3; end++) {
        bring_to(PAUSED);
        world_datagram(&world_t, 1);
        world_warp(10);
        late_packet(2);
        CU_ASSERT_EQUAL(world_count(&world_t, 2), 0);
        world_frame(&world_g, &world_t, PEER_DRAINED, NULL, 0);
        if (end == 0) {
            world_reply_error(&world_t, "prepare");
        } else if (end == 1) {
            world_warp(2000);
        } else {
            world_forget(&world_g);
            world_reply(&world_t, "prepare", "{}");
            world_warp(10);
            world_frames(&world_t, &world_g);
            decide(&world_t, "aborted");
        }
        assert_state(&world_t, GIVE_RESUMED);
        assert_owner_as_it_was();
        CU_ASSERT_EQUAL(world_count(&world_t, 1), 1);
        CU_ASSERT_EQUAL(world_count(&world_t, 2), 1);
        world_warp(6000);
        CU_ASSERT_PTR_NULL(world_handover(&world_t));
        world_end();
    }

    /* Its application has not been asked to stop yet. */
    bring_to(OFFERED);
    world_t.app_quick = true;
    world_frames(&world_t, &world_g);
    world_frames(&world_g, &world_t);
    assert_state(&world_t, GIVE_PREPARING);
    late_packet(2);
    CU_ASSERT_EQUAL(world_count(&world_t, 2), 1);
    world_end();
}

static void
test_peer_link_is_lost_while_draining(void)
{
    bring_to(CLAIMED);
    decide(&world_g, "owned");
    decide(&world_t, "released");
    world_t.connected = false;
    world_datagram(&world_t, 1);
    world_warp(10);
    CU_ASSERT_EQUAL(world_sent(&world_t, "relay"), 1);
    world_end();
}

static void
test_garbage_frames(void)
{
    static const enum handover_state states[] = { TAKE_EXPECTED, TAKE_WAITING,
                                                  TAKE_MUTED, TAKE_CLAIMED };
    static const enum stage stages[] = { OFFERED, ACCEPTED, STATE, CLAIMED };
    uint8_t junk[300];

    memset(junk, 0x5a, sizeof junk);
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        bring_to(stages[i]);
        assert_state(&world_g, states[i]);
        for (int type = PEER_MESSAGE; type <= PEER_DRAINED; type++) {
            if (type != PEER_STATE_CHUNK || states[i] != TAKE_WAITING) {
                world_frame(&world_t, &world_g, type, junk, sizeof junk);
                world_frame(&world_g, &world_t, type, junk, sizeof junk);
                world_frame(&world_t, &world_g, type, "", 0);
                world_frame(&world_g, &world_t, type, "", 0);
            }
        }
        assert_state(&world_g, states[i]);
        world_end();
    }

    /* A chunk that does not open ends it, and only it. */
    bring_to(ACCEPTED);
    world_frame(&world_t, &world_g, PEER_STATE_CHUNK, junk, sizeof junk);
    assert_declined();
    world_end();
}

static void
test_terms_differ(void)
{
    bring_to(OFFERED);
    world_handover(&world_g)->epoch = 3;
    world_frames(&world_t, &world_g);
    assert_target_clean();
    world_frames(&world_g, &world_t);
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    assert_owner_as_it_was();
    world_end();
}

/* Policy's limit holds for both: who gives, and who takes from one that does
 * not keep to it. */
static void
test_state_too_large(void)
{
    begin();
    expect();
    world_reply(&world_t, "introduce",
                "{'transfer': '" TRANSFER "', 'epoch': 0,"
                " 'endpoint': 'ssl:10.1.0.12:6655', 'certificate': 'PEM',"
                " 'onward': 'any', 'state_bytes': 10}");
    world_run(&world_t);
    world_frames(&world_t, &world_g);
    world_frames(&world_g, &world_t);
    world_app(&world_t, APP_PAUSED);
    world_reply(&world_t, "prepare", "{}");
    CU_ASSERT_EQUAL(world_sent(&world_t, "withdraw"), 1);
    assert_state(&world_t, GIVE_FROZEN); /* The controller aborts. */
    world_frames(&world_t, &world_g);
    assert_state(&world_g, TAKE_WAITING);
    world_end();

    begin();
    world_controller(&world_g, "expect",
                     "{" ABOUT ", 'epoch': 0, 'from': 'laptop',"
                     " 'endpoint': 'ssl:10.1.0.11:6655',"
                     " 'certificate': 'PEM', 'name': 'film',"
                     " 'service': 'files', 'state_bytes': 10}");
    introduced();
    world_run(&world_t);
    world_frames(&world_t, &world_g);
    world_frames(&world_g, &world_t);
    world_app(&world_t, APP_PAUSED);
    world_reply(&world_t, "prepare", "{}");
    world_frames(&world_t, &world_g);
    CU_ASSERT_EQUAL(world_sent(&world_g, "decline"), 1);
    CU_ASSERT(hmap_is_empty(&world_g.agent.sessions.by_id));
    world_end();
}

static void
test_service_is_not_here(void)
{
    begin();
    world_controller(&world_g, "expect",
                     "{" ABOUT ", 'epoch': 0, 'from': 'laptop',"
                     " 'endpoint': 'ssl:10.1.0.11:6655',"
                     " 'certificate': 'PEM', 'name': 'film',"
                     " 'service': 'other'}");
    ovs_strlcpy(world_handover(&world_t)->service, "other", APP_NAME_LEN);
    introduced();
    world_run(&world_t);
    world_frames(&world_t, &world_g);
    assert_target_clean();
    world_frames(&world_g, &world_t);
    assert_owner_as_it_was();
    world_end();
}

static void
test_old_epochs_are_refused(void)
{
    bring_to(GO);
    world_controller(&world_t, "epoch", "{" ABOUT ", 'epoch': 0}");
    epochs_note(&world_t.agent, &s->id, 5);
    decide(&world_t, "released");
    assert_state(&world_t, GIVE_FROZEN);
    world_controller(&world_t, "aborted", "{" ABOUT ", 'epoch': 6}");
    assert_owner_as_it_was();
    CU_ASSERT_EQUAL(s->epoch, 6);
    world_end();

    /* At the epoch of its beginning nothing is decided. */
    bring_to(CLAIMED);
    world_controller(&world_g, "owned", "{" ABOUT ", 'epoch': 0}");
    assert_state(&world_g, TAKE_CLAIMED);
    world_end();
}

/* The application. */

static void
test_session_ends_while_it_moves(void)
{
    static const enum stage stages[] = { INTRODUCED, OFFERED, ACCEPTED,
                                         PAUSED };

    for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
        bring_to(stages[i]);
        world_app(&world_t, APP_END);
        /* It stays for 3 s after its end: see keeper.c. */
        world_warp(2000);
        CU_ASSERT_PTR_NULL(s->handover);
        CU_ASSERT(s->ending != 0);
        world_end();
    }

    bring_to(GO);
    world_app(&world_t, APP_END);
    assert_state(&world_t, GIVE_FROZEN);
    decide(&world_t, "aborted");
    CU_ASSERT(s->ending != 0);
    world_end();
}

static void
test_application_dies(void)
{
    static const enum stage stages[] = { INTRODUCED, OFFERED, ACCEPTED,
                                         PAUSED };

    for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
        bring_to(stages[i]);
        world_app_closes(&world_t);
        CU_ASSERT_PTR_NULL(s->handover);
        CU_ASSERT(s->ending != 0);
        world_end();
    }

    bring_to(GO);
    world_app_closes(&world_t);
    assert_state(&world_t, GIVE_FROZEN);
    decide(&world_t, "released");
    world_warp(1000);
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    world_end();

    bring_to(STATE);
    world_app_closes(&world_g);
    assert_declined();
    world_end();

    bring_to(CLAIMED);
    world_app_closes(&world_g);
    assert_state(&world_g, TAKE_CLAIMED);
    decide(&world_g, "owned");
    CU_ASSERT(session_find(&world_g.agent.sessions, &s_id)->ending != 0);
    world_end();
}

static void
test_application_refuses(void)
{
    bring_to(STATE);
    world_app(&world_g, APP_REFUSE);
    assert_declined();
    world_end();
}

static void
test_moves_once_at_a_time(void)
{
    char *error = NULL;

    bring_to(OFFERED);
    CU_ASSERT(
        !give_start(&world_t.agent, s, "tv", "", world_mover, NULL, &error));
    CU_ASSERT_PTR_NOT_NULL(error);
    free(error);
    world_end();

    world_begin();
    s = world_open(&world_t);
    s_id = s->id;
    CU_ASSERT(!give_start(&world_t.agent, s, "laptop", "", world_mover, NULL,
                          &error));
    CU_ASSERT_PTR_NOT_NULL(error);
    free(error);
    CU_ASSERT(!give_start(&world_t.agent, s, "../tv", "", world_mover, NULL,
                          &error));
    CU_ASSERT_PTR_NOT_NULL(error);
    free(error);
    world_end();
}

/* Who heard from T that it is done asks G for the next move before G has
 * heard: that waits, for a second. */
static void
test_moves_on_before_owned(void)
{
    struct session *there;
    char *error = NULL;

    bring_to(CLAIMED);
    decide(&world_t, "released");
    there = session_find(&world_g.agent.sessions, &s_id);
    there = there ? there : world_handover(&world_g)->session;
    CU_ASSERT_PTR_NOT_NULL_FATAL(there);
    CU_ASSERT_TRUE(give_start(&world_g.agent, there, "phone", "", world_mover,
                              NULL, &error));
    /* One at a time. */
    CU_ASSERT_FALSE(
        give_start(&world_g.agent, there, "phone", "", NULL, NULL, &error));
    CU_ASSERT_PTR_NOT_NULL(error);
    free(error);
    world_warp(990);
    CU_ASSERT_EQUAL(world_sent(&world_g, "introduce"), 0);
    CU_ASSERT_EQUAL(world_told(&world_g, APP_MOVED), 0);
    decide(&world_g, "owned");
    CU_ASSERT_EQUAL(world_sent(&world_g, "introduce"), 1);
    CU_ASSERT_EQUAL(there->handover->state, GIVE_INTRODUCING);
    world_end();

    bring_to(CLAIMED);
    there = world_handover(&world_g)->session;
    CU_ASSERT_TRUE(give_start(&world_g.agent, there, "phone", "", world_mover,
                              NULL, &error));
    world_warp(1000);
    CU_ASSERT_EQUAL(world_told(&world_g, APP_MOVED), 1);
    CU_ASSERT_TRUE(give_start(&world_g.agent, there, "phone", "", world_mover,
                              NULL, &error));
    decide(&world_g, "aborted");
    CU_ASSERT_EQUAL(world_told(&world_g, APP_MOVED), 2);
    CU_ASSERT_EQUAL(world_sent(&world_g, "introduce"), 0);
    world_end();
}

static void
say_epoch(int epoch, const char *owner)
{
    struct json *params = json_object_create();

    json_object_put_string(params, "session", SESSION);
    json_object_put_string(params, "address", "10.1.0.100");
    json_object_put(params, "epoch", json_integer_create(epoch));
    json_object_put_string(params, "owner", owner);
    world_run(&world_t);
    registration_handle_epoch(&world_t.agent, params);
    json_destroy(params);
}

/* An abort raises the epoch of a session also where nobody heard of it, and
 * the session stays. */
static void
test_abort_that_was_not_heard(void)
{
    char *error = NULL;

    /* It comes when all is over: the database was away. */
    bring_to(ACCEPTED);
    world_reply(&world_t, "prepare", "{}");
    world_warp(HANDOVER_PAUSE_TIMEOUT + HANDOVER_STATE_TIMEOUT
               + HANDOVER_DRAIN_TIMEOUT);
    world_warp(HANDOVER_RESUMED_TIMEOUT);
    CU_ASSERT_PTR_NULL(world_handover(&world_t));
    CU_ASSERT_EQUAL(s->epoch, 0);
    decide(&world_t, "aborted");
    CU_ASSERT_EQUAL(s->epoch, 1);
    assert_owner_as_it_was();
    world_end();

    /* It does not come: the controller is asked, in its own way. */
    bring_to(ACCEPTED);
    world_reply(&world_t, "prepare", "{}");
    world_forget(&world_t);
    world_warp(HANDOVER_PAUSE_TIMEOUT + HANDOVER_STATE_TIMEOUT
               + HANDOVER_DRAIN_TIMEOUT);
    CU_ASSERT_EQUAL(world_sent(&world_t, "announce"), 1);
    world_warp(1000); /* That was lost. */
    CU_ASSERT_EQUAL(world_sent(&world_t, "announce"), 2);
    say_epoch(1, "laptop");
    CU_ASSERT_EQUAL(s->epoch, 1);
    world_warp(5000);
    CU_ASSERT_EQUAL(world_sent(&world_t, "announce"), 2);
    CU_ASSERT_PTR_NOT_NULL(session_find(&world_t.agent.sessions, &s_id));
    say_epoch(2, "tv");
    CU_ASSERT_PTR_NULL(session_find(&world_t.agent.sessions, &s_id));
    world_end();

    /* The next move is refused for it. */
    begin();
    world_reply_not_owner(&world_t, "phone", 3);
    CU_ASSERT_EQUAL(s->epoch, 0);
    CU_ASSERT_FATAL(
        give_start(&world_t.agent, s, "tv", "", world_mover, NULL, &error));
    world_reply_not_owner(&world_t, "laptop", 3);
    CU_ASSERT_EQUAL(s->epoch, 3);
    world_end();
}

int
main(void)
{
    static const struct unit_test tests[] = {
        { "moves", test_moves },
        { "late packets of the move before",
          test_late_packets_of_the_move_before },
        { "introduction takes too long", test_introduction_takes_too_long },
        { "introduction refused", test_introduction_refused },
        { "no connection: by relay", test_no_connection_goes_by_relay },
        { "offer is not answered", test_offer_is_not_answered },
        { "withdrawn", test_withdrawn },
        { "settles for a second", test_settles_for_a_second },
        { "application does not pause", test_application_does_not_pause },
        { "waits for acknowledgements", test_waits_for_acknowledgements },
        { "notice beside pause", test_notice_beside_pause },
        { "pause after go", test_pause_after_go },
        { "refused before pause", test_refused_before_pause },
        { "refuses to pause", test_application_refuses_to_pause },
        { "no pause after go", test_application_does_not_pause_after_go },
        { "late go is ignored", test_late_go_is_ignored },
        { "association renewed", test_association_renewed },
        { "controller lost", test_controller_lost },
        { "prepare refused", test_prepare_refused },
        { "frozen asks and is lost", test_frozen_asks_and_is_lost },
        { "capture fails", test_capture_fails },
        { "draining ends", test_draining_ends },
        { "target lets go", test_target_lets_go },
        { "target keeps", test_target_keeps },
        { "target waits until it is told", test_target_waits_until_told },
        { "expectation ends", test_expectation_ends },
        { "application starts slowly", test_application_starts_too_slowly },
        { "state does not come", test_state_does_not_come },
        { "application not ready", test_application_does_not_get_ready },
        { "claimed asks without end", test_claimed_asks_without_end },
        { "aborts", test_aborts },
        { "again after abort", test_again_after_abort },
        { "refusals do not bounce", test_refusals_do_not_bounce },
        { "offer overtakes", test_offer_overtakes_announcement },
        { "late packets too early", test_late_packets_too_early },
        { "late packets overtake `go'", test_late_packets_overtake_go },
        { "link lost while draining", test_peer_link_is_lost_while_draining },
        { "garbage frames", test_garbage_frames },
        { "terms differ", test_terms_differ },
        { "service is not here", test_service_is_not_here },
        { "state too large", test_state_too_large },
        { "old epochs", test_old_epochs_are_refused },
        { "an abort that was not heard", test_abort_that_was_not_heard },
        { "session ends", test_session_ends_while_it_moves },
        { "application dies", test_application_dies },
        { "application refuses", test_application_refuses },
        { "one move at a time", test_moves_once_at_a_time },
        { "moves on before owned", test_moves_on_before_owned },
    };

    return unit_run("handover", tests, ARRAY_SIZE(tests));
}
