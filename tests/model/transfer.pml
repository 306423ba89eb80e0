/* SPDX-License-Identifier: Apache-2.0 */

/* A session's moves, from `introduce' to the end, as spin can walk them.
 *
 * States and messages have the code's names.  A change of state is written
 *
 *     TO(FUNCTION, VARIABLE, STATE)     here is what FUNCTION does
 *     END(FUNCTION, VARIABLE)           the handover is destroyed
 *     ACT(FUNCTION, ACTION)             controller/transfer.c asks for ACTION
 *
 * where FUNCTION is the C function that does it; tests/model/compare looks
 * whether model and sources have the same of these, and the same messages.
 *
 * There are
 *   - ND devices, each with one place for the session's sockets; device 0 is
 *     where the session was opened;
 *   - NATT attempts to move it, one after the other or overlapping, by whoever
 *     has it, to whomever;
 *   - NC controllers: with two, one has taken over from the other, which does
 *     not know it yet (a paused one that goes on), and both share the record;
 *   - one record, changed by compare-and-set, and one bridge, whose guard says
 *     who may send.
 *
 * No clock: a deadline may pass at any moment, and everything sent may take for
 * ever.  What may go wrong is counted, so that a run is finite:
 *     CRASH   a process is killed and started again: agent (its application
 *             and its kernel's sockets stay) or controller
 *     LOSS    a message is lost, with the connection that carried it
 *     DUP     a message comes twice
 *     HOST    a device is switched off, with all that was on it
 *     LEASE   the lease of device 0's block runs out while it is away
 * Messages of different names overtake each other as they like.
 *
 * What must hold is asserted: see safe(), give_thaw, reclaim, and the end of
 * init.  Each name in `variants' of tests/model/run, given as -DNAME, is a
 * shortcut that somebody could find harmless; each must make an assertion fail.
 *
 * Not modelled is what has no influence on who owns the session, or comes with
 * something else that is.
 *     not modelled: log timeline devices sa attach-challenge attach-echo attached
 *     not modelled: attach placed attach-lan tunnel-open tunnel-close tunnel-ready
 *     not modelled: tunnel-idle map mapped unmap unmapped over is-over
 *     not modelled: mappings tell told untold
 *     not modelled: lease renew wake address-free ended epoch left pending
 *     not modelled: resumed recall
 *     not modelled: late-packets drained message
 * `pending' is the question that waits until it can be answered; `epoch' and the
 * answer to `register' come at once; `left' delays when an address rests, which
 * tests/unit/test-holder.c walks; late packets are what tests/fault/run counts;
 * `placed' says where packets go, not whose they are.
 *     stands for: introduced = introduce
 *     stands for: go = prepare
 *     stands for: ask_target = ask
 *     stands for: aborted_target = aborted
 *     stands for: state = wrapped-key state-chunk
 *     stands for: REGISTER = register
 *     stands for: RELAY = relay */

#ifndef ND
#define ND 2
#endif
#ifndef NATT
#define NATT 1
#endif
#ifndef NC
#define NC 1
#endif
#ifndef CRASH
#define CRASH 1
#endif
#ifndef LOSS
#define LOSS 1
#endif
#ifndef DUP
#define DUP 1
#endif
#ifndef HOST
#define HOST 0
#endif
#ifndef LEASE
#define LEASE 0
#endif
/* -DDIRECT: the devices always reach each other, and applications stop at
 * once: what is about neither is walked faster so. */

#define NO 7            /* No attempt, no device, no flow. */
#define LAST (NATT - 1) /* For loops. */

#define TO(FUNCTION, VARIABLE, STATE) VARIABLE = STATE
#define END(FUNCTION, VARIABLE) VARIABLE = 0
#define ACT(FUNCTION, ACTION) skip
#define MESSAGE(NAME) byte m_##NAME[NATT]

mtype:handover = {
    GIVE_INTRODUCING, GIVE_CONNECTING, GIVE_OFFERED, GIVE_PAUSING,
    GIVE_SETTLING, GIVE_PREPARING, GIVE_FROZEN, GIVE_DRAINING, GIVE_RESUMED,
    TAKE_EXPECTED, TAKE_POSTPONED, TAKE_WAITING, TAKE_MUTED, TAKE_CLAIMED,
    TAKE_OWNED, TAKE_RETURNING, TAKE_KEEPING
}
mtype:transfer = {
    TRANSFER_SETTLED, TRANSFER_GONE, TRANSFER_DECIDING, TRANSFER_DECIDED
}
mtype:sockets = { LIVE, FROZEN, MUTED } /* 0: the device has none. */

/* The durable record. */
byte owner = 0, epoch = 0, by = NO; /* `by': the attempt that made it so. */
bit ended = 0;
byte owner_at[2 * NATT + 1], by_at[2 * NATT + 1];
bit let = 0; /* The block was leased to somebody else. */

/* The bridge. */
byte guard = 0;  /* Who may send. */
byte master = 0; /* Which controller it listens to (generation_id). */
bit stale = 0;   /* Not synchronised with the record. */

/* Devices. */
mtype:sockets sock[ND];
byte sepoch[ND];     /* session->epoch */
byte moving[ND] = NO; /* session->handover: the attempt */
bit giving[ND];      /* The note says NOTE_GIVING. */
byte high[ND];       /* epochs_highest() */
bit away[ND];        /* Not registered (any more). */
bit died[ND];        /* Its session ended with its host. */

/* Attempts: T = from, G = to. */
byte natt = 0;
byte from[NATT], to[NATT], at[NATT]; /* `at': epoch at which it began */
mtype:handover give[NATT], take[NATT];
bit relay[NATT];  /* Frames go by way of the controller. */
bit gone[NATT];   /* T has the answer to its prepare. */
bit unsent[NATT]; /* T holds captured state. */
bit tail[NATT];   /* T's last packets are before the bridge. */
bit spoke[NATT];  /* The correspondent has heard G. */
bit commits[NATT];

/* Device link.  Of a request, 1 is the question; answers are apart: 1 is yes,
 * 2 no, and more says that the session is the asker's at an epoch of 2 less.
 * Decisions carry an epoch, never 0. */
MESSAGE(introduce);
MESSAGE(introduced);
MESSAGE(expect);
MESSAGE(unexpect);
MESSAGE(withdraw);
MESSAGE(decline);
MESSAGE(prepare);
MESSAGE(go);
MESSAGE(claim);
MESSAGE(announce);   /* At the end of GIVE_RESUMED. */
MESSAGE(ask);        /* As transferring. */
MESSAGE(ask_target); /* As target. */
MESSAGE(owned);
MESSAGE(released);
MESSAGE(aborted);    /* To T. */
MESSAGE(aborted_target);
/* Peer link: 1 is for the controller to relay, 2 can be received. */
MESSAGE(offer);
MESSAGE(accept);
MESSAGE(refuse);
MESSAGE(state);
/* Attachment frames. */
MESSAGE(flush);

byte loss = LOSS, dup = DUP, crash = CRASH, host = HOST, lease = LEASE;
byte n; /* For loops inside atomic steps; 0 otherwise. */

/* A message is taken: it is gone, or comes again. */
#define TAKE(M) if :: M = 0 :: dup > 0 -> dup-- fi

/* At no time two that could speak. */
#if ND > 2
#define IS_LIVE_3 (sock[2] == LIVE)
#else
#define IS_LIVE_3 0
#endif
inline safe()
{
    assert((sock[0] == LIVE) + (sock[1] == LIVE) + IS_LIVE_3 <= 1)
}

#define FRAME(K) (1 + !relay[K])
#define RAISE(V, X) V = (V > (X) -> V : (X))

/* An address that is still bound for another attempt of the same device. */
#define IN_USE(K, J) \
    (J != K && natt > J && to[J] == d \
     && (take[J] == TAKE_WAITING || take[J] == TAKE_MUTED \
         || take[J] == TAKE_CLAIMED))
#if NATT == 1
#define IN_USE_ELSEWHERE(K) false
#elif NATT == 2
#define IN_USE_ELSEWHERE(K) (IN_USE(K, 0) || IN_USE(K, 1))
#else
#define IN_USE_ELSEWHERE(K) (IN_USE(K, 0) || IN_USE(K, 1) || IN_USE(K, 2))
#endif

/* The transferring device. */
#define d from[k]

inline fail_give()
{
    if
    :: give[k] != GIVE_INTRODUCING -> m_withdraw[k] = 1
    :: else
    fi;
    moving[d] = NO; giving[d] = 0; gone[k] = 0; relay[k] = 0;
    m_accept[k] = 0; m_refuse[k] = 0; m_go[k] = 0;
    if
    :: give[k] == GIVE_PREPARING -> TO(give_fail, give[k], GIVE_RESUMED)
    :: else -> END(give_fail, give[k])
    fi
}

inline prepare_give()
{
    TO(give_prepare, give[k], GIVE_PREPARING); m_prepare[k] = 1;
    m_accept[k] = 0; m_refuse[k] = 0
}

#define MOVE(D, E) \
    :: atomic { natt == k && sock[D] == LIVE && moving[D] == NO && !away[D] -> \
         natt++; from[k] = D; to[k] = E; at[k] = sepoch[D]; \
         moving[D] = k; m_introduce[k] = 1; \
         TO(give_start, give[k], GIVE_INTRODUCING) }

#define SEND(M, V, CONDITION) M = ((CONDITION) -> (V) : 0)

proctype Give(byte k)
{
    do
    MOVE(0, 1) MOVE(1, 0)
#if ND > 2
    MOVE(0, 2) MOVE(2, 0) MOVE(1, 2) MOVE(2, 1)
#endif
    :: atomic { give[k] == GIVE_INTRODUCING && m_introduced[k] == 1 ->
         TAKE(m_introduced[k]); RAISE(high[d], at[k]);
         TO(give_introduced, give[k], GIVE_CONNECTING) }
    :: atomic { give[k] == GIVE_INTRODUCING && m_introduced[k] >= 2 ->
#ifndef REFUSED_AND_NONE_THE_WISER
         RAISE(sepoch[d], m_introduced[k] - 2);
#endif
         TAKE(m_introduced[k]); fail_give() }
    :: atomic { !give[k] && natt > k && m_introduced[k] == 1 ->
         TAKE(m_introduced[k]); m_withdraw[k] = 1 } /* give_withdraw_late */
    :: atomic { give[k] == GIVE_CONNECTING ->
#ifndef DIRECT
         if :: relay[k] = 0 :: relay[k] = 1 fi;
#endif
         SEND(m_offer[k], FRAME(k), !take[k] || take[k] == TAKE_EXPECTED); TO(give_offer, give[k], GIVE_OFFERED) }
#ifndef DIRECT
    :: atomic { give[k] == GIVE_OFFERED && !relay[k] -> /* the connection broke */
         relay[k] = 1;
         SEND(m_offer[k], FRAME(k), !take[k] || take[k] == TAKE_EXPECTED) }
#endif
    :: atomic { give[k] == GIVE_OFFERED && m_refuse[k] == 2 ->
         TAKE(m_refuse[k]); fail_give() }
    :: atomic { give[k] == GIVE_OFFERED && m_accept[k] == 2 ->
         TAKE(m_accept[k]);
         if
         :: prepare_give()
#ifndef DIRECT
         :: TO(give_accepted, give[k], GIVE_PAUSING); giving[d] = 1
#endif
         fi }
    :: atomic { give[k] == GIVE_PAUSING -> /* paused */
         TO(give_handle_paused, give[k], GIVE_SETTLING) }
    :: atomic { give[k] == GIVE_PAUSING || give[k] == GIVE_SETTLING ->
         prepare_give() }
    :: atomic { give[k] == GIVE_PREPARING && m_go[k] == 1 && !gone[k] ->
         TAKE(m_go[k]); gone[k] = 1; giving[d] = 1 }
    :: atomic { give[k] == GIVE_PREPARING && m_go[k] == 2 && !gone[k] ->
         TAKE(m_go[k]); fail_give() }
    :: atomic { give[k] == GIVE_PREPARING && gone[k] -> /* the application stopped */
         TO(give_freeze, give[k], GIVE_FROZEN);
         sock[d] = FROZEN; gone[k] = 0; unsent[k] = 1; tail[k] = 1; m_go[k] = 0 }
    /* Any deadline before `go', the application's end, a lost controller. */
    :: atomic { give[k] && give[k] <= GIVE_INTRODUCING &&
                give[k] >= GIVE_PREPARING -> fail_give() }
    :: atomic { m_unexpect[k] && give[k] && give[k] <= GIVE_CONNECTING &&
                give[k] > GIVE_PREPARING -> fail_give() }
    /* Output is closed: nothing follows the flush. */
    :: atomic { tail[k] -> tail[k] = 0; m_flush[k] = 1 }
    :: atomic { give[k] == GIVE_FROZEN && unsent[k] ->
         unsent[k] = 0;
         if :: SEND(m_state[k], FRAME(k), take[k] == TAKE_WAITING) :: m_withdraw[k] = 1 fi }
#ifndef ASKS_NEVER
    :: atomic { give[k] == GIVE_FROZEN && !m_ask[k] && !m_released[k] &&
                !m_aborted[k] -> m_ask[k] = 1 }
#endif
#ifdef THAWS_ALONE
    :: atomic { give[k] == GIVE_FROZEN ->
         assert(!spoke[k]);
         sock[d] = LIVE; moving[d] = NO; giving[d] = 0; unsent[k] = 0;
         TO(give_thaw, give[k], GIVE_RESUMED); safe() }
#endif
    :: atomic { m_released[k] ->
         if
         :: m_released[k] < high[d] || give[k] != GIVE_FROZEN
         :: else ->
              sock[d] = 0; moving[d] = NO; giving[d] = 0; unsent[k] = 0;
              m_ask[k] = 0; relay[k] = 0;
              TO(give_released, give[k], GIVE_DRAINING)
         fi;
         RAISE(high[d], m_released[k]); TAKE(m_released[k]) }
    :: atomic { m_aborted[k] && (give[k] != GIVE_FROZEN) ->
         if
         :: m_aborted[k] < high[d] /* An old decision. */
         :: else ->
              if
              :: give[k] && moving[d] == k ->
                   RAISE(sepoch[d], m_aborted[k]); fail_give()
#ifndef FORGETS_LATE_ABORT
              :: sock[d] == LIVE && (!give[k] || give[k] == GIVE_RESUMED) ->
                   RAISE(sepoch[d], m_aborted[k])
#else
              :: sock[d] == LIVE && give[k] == GIVE_RESUMED ->
                   RAISE(sepoch[d], m_aborted[k])
#endif
              :: else
              fi
         fi;
         RAISE(high[d], m_aborted[k]); TAKE(m_aborted[k]) }
    :: atomic { m_aborted[k] && give[k] == GIVE_FROZEN ->
         if
         :: m_aborted[k] < high[d]
         :: else ->
              assert(!spoke[k]); /* Rollback is possible. */
              sock[d] = LIVE; sepoch[d] = m_aborted[k]; moving[d] = NO;
              giving[d] = 0; unsent[k] = 0; m_ask[k] = 0; relay[k] = 0;
              TO(give_thaw, give[k], GIVE_RESUMED); safe()
         fi;
         RAISE(high[d], m_aborted[k]); TAKE(m_aborted[k]) }
    :: atomic { give[k] == GIVE_DRAINING -> END(give_finish_draining, give[k]) }
    :: atomic { give[k] == GIVE_RESUMED -> /* Perhaps an abort was not heard. */
#ifndef SAYS_NOTHING_AGAIN
         if
         :: sock[d] == LIVE && moving[d] == NO -> m_announce[k] = 1
         :: else
         fi;
#endif
         END(give_finish_resuming, give[k]) }
    /* Fifteen minutes without a controller: only where it cannot answer. */
    :: atomic { give[k] == GIVE_FROZEN && let && (away[d] || m_ask[k]) ->
         sock[d] = 0; moving[d] = NO; giving[d] = 0; unsent[k] = 0;
         died[d] = 1; m_ask[k] = 0; END(give_lost, give[k]) }
    od
}
#undef d

/* The target device. */
#define d to[k]

/* Ends it before `owned': what it had is discarded. */
inline fail_take()
{
    if
    :: take[k] <= TAKE_EXPECTED && take[k] > TAKE_WAITING -> END(take_fail, take[k])
    :: else -> TO(begin_returning, take[k], TAKE_RETURNING)
    fi;
    if
    :: moving[d] == k && sock[d] == MUTED -> sock[d] = 0; moving[d] = NO
    :: else
    fi;
    m_ask_target[k] = 0; m_state[k] = 0
}

proctype Take(byte k)
{
    do
    :: atomic { m_expect[k] && !take[k] ->
         TAKE(m_expect[k]);
         if
         :: at[k] < high[d]
         :: else ->
              RAISE(high[d], at[k]); TO(take_expect, take[k], TAKE_EXPECTED)
         fi }
    :: atomic { take[k] == TAKE_EXPECTED && m_offer[k] == 2 ->
         TAKE(m_offer[k]);
         if
         :: sock[d] == 0 -> TO(take_handle_offer, take[k], TAKE_POSTPONED)
         :: SEND(m_refuse[k], FRAME(k), give[k] == GIVE_OFFERED); fail_take()
         fi }
    /* What this device had of an earlier attempt is finished first. */
    :: atomic { take[k] == TAKE_POSTPONED ->
         if
         :: sock[d] == 0 && !IN_USE_ELSEWHERE(k) ->
              for (n : 0 .. LAST) {
                  if
                  :: natt > n && from[n] == d && give[n] == GIVE_DRAINING ->
                       END(give_finish_draining, give[n])
                  :: natt > n && to[n] == d && take[n] == TAKE_RETURNING ->
                       END(take_finish_returning, take[n])
                  :: else
                  fi
              }
              n = 0;
              TO(take_reserve, take[k], TAKE_WAITING);
              TO(take_accept, take[k], TAKE_WAITING); 
              SEND(m_accept[k], FRAME(k), give[k] == GIVE_OFFERED)
         :: SEND(m_refuse[k], FRAME(k), give[k] == GIVE_OFFERED); fail_take()
         fi }
    :: atomic { take[k] == TAKE_WAITING && m_state[k] == 2 ->
         TAKE(m_state[k]);
         if
         :: sock[d] == 0 ->
              sock[d] = MUTED; sepoch[d] = at[k]; moving[d] = k;
              TO(take_state, take[k], TAKE_MUTED)
         :: m_decline[k] = 1; fail_take()
         fi }
#ifdef KEY_IN_OFFER
    :: atomic { take[k] == TAKE_WAITING && !m_claim[k] -> m_claim[k] = 1 }
#endif
    :: atomic { take[k] == TAKE_MUTED -> /* ready */
         m_claim[k] = 1; TO(take_handle_ready, take[k], TAKE_CLAIMED) }
    /* Deadlines, and what the application refuses. */
    :: atomic { take[k] == TAKE_EXPECTED -> END(take_run, take[k]) }
    :: atomic { take[k] == TAKE_WAITING || take[k] == TAKE_MUTED ->
         m_decline[k] = 1; fail_take() }
#ifdef CLAIMED_GIVES_UP
    :: atomic { take[k] == TAKE_CLAIMED -> fail_take() }
#endif
    :: atomic { m_unexpect[k] && take[k] && take[k] > TAKE_CLAIMED ->
         TAKE(m_unexpect[k]); fail_take() }
    :: atomic { m_unexpect[k] && (!take[k] || take[k] <= TAKE_CLAIMED) ->
         m_unexpect[k] = 0 }
#ifndef ASKS_NEVER
    :: atomic { take[k] == TAKE_CLAIMED && !m_ask_target[k] && !m_owned[k] &&
                !m_aborted_target[k] -> m_ask_target[k] = 1 }
#endif
#ifdef ANSWERS_WHEN_MUTED
    :: atomic { (take[k] == TAKE_MUTED || take[k] == TAKE_CLAIMED) &&
                guard == d && !spoke[k] -> spoke[k] = 1 }
#endif
    :: atomic { m_owned[k] ->
         if
         :: m_owned[k] < high[d] || take[k] != TAKE_CLAIMED
         :: else ->
              sock[d] = LIVE; sepoch[d] = m_owned[k]; moving[d] = NO;
              spoke[k] = 1; m_ask_target[k] = 0; TO(take_owned, take[k], TAKE_OWNED); safe()
         fi;
         RAISE(high[d], m_owned[k]); TAKE(m_owned[k]) }
    :: atomic { m_aborted_target[k] ->
         if
         :: m_aborted_target[k] >= high[d] && take[k] &&
            take[k] > TAKE_OWNED -> fail_take()
         :: else
         fi;
         RAISE(high[d], m_aborted_target[k]); TAKE(m_aborted_target[k]) }
    :: atomic { take[k] == TAKE_OWNED -> END(take_finish, take[k]) }
    :: atomic { take[k] == TAKE_RETURNING ->
         if
         :: END(take_finish_returning, take[k])
         :: TO(take_finish_returning, take[k], TAKE_KEEPING)
         fi }
    :: atomic { take[k] == TAKE_KEEPING -> END(take_run, take[k]) }
    od
}
#undef d

/* Agents and hosts that end. */

inline forget(d, all)
{
    for (n : 0 .. LAST) {
        if
        :: natt > n && from[n] == d && give[n] ->
             unsent[n] = 0; gone[n] = 0;
             if
#ifndef AGENT_KEEPS_IT
             :: !all && moving[d] == n && giving[d] ->
                  TO(give_adopt, give[n], GIVE_FROZEN); sock[d] = FROZEN
#else
             :: !all && sock[d] == FROZEN && moving[d] == n ->
                  sock[d] = 0; give[n] = 0
#endif
             :: else -> give[n] = 0
             fi
        :: else
        fi;
        if
        :: natt > n && to[n] == d && take[n] ->
             if
#ifndef AGENT_KEEPS_IT
             :: !all && moving[d] == n && sock[d] == MUTED ->
                  TO(take_adopt, take[n], TAKE_CLAIMED)
#else
             :: !all && moving[d] == n && sock[d] == MUTED ->
                  sock[d] = 0; take[n] = 0
#endif
             :: else -> take[n] = 0
             fi
        :: else
        fi
    }
    n = 0;
    high[d] = 0;
    away[d] = 1;
    if
    :: all -> sock[d] = 0; died[d] = 1
    :: else
    fi;
    if
    :: sock[d] == LIVE || sock[d] == 0 -> moving[d] = NO; giving[d] = 0
    :: else
    fi
}

proctype Kill(byte d)
{
    do
    :: atomic { crash > 0 -> crash--; forget(d, false) }
    :: atomic { host > 0 && sock[d] -> host--; forget(d, true) }
    od
}

/* The controller. */

#define T from[cur]
#define G to[cur]
#define WINNER (commit -> G : T)

/* Decisions come out here: by the record as this controller sees it. */
inline answer(k, target)
{
    if
    :: target && !ended && owner_at[view] == to[k] && by_at[view] == k ->
         m_owned[k] = view
    :: !target && (ended || owner_at[view] != from[k]) -> m_released[k] = view
    :: else ->
         if
         :: target -> m_aborted_target[k] = view
         :: else -> m_aborted[k] = view
         fi
    fi
}

inline finish()
{
    TO(finish, state, TRANSFER_SETTLED); ACT(finish, TRANSFER_DO_LOG);
#if NC == 1
    m_claim[cur] = 0; m_flush[cur] = 0; m_decline[cur] = 0; /* Of no use. */
#endif
    cur = NO; claimed = 0; flushed = 0; acked = 0; commit = 0; state = 0
}

inline withdraw()
{
    ACT(transfer_withdraw, TRANSFER_DO_UNEXPECT); m_unexpect[cur] = 1;
    finish()
}

inline tell(c)
{
    if
    :: commit ->
         ACT(tell_committed, TRANSFER_DO_TELL_OWNED);
         m_owned[cur] = at[cur] + 1;
         ACT(tell_committed, TRANSFER_DO_TELL_RELEASED);
         m_released[cur] = at[cur] + 1
    :: else ->
         ACT(transfer_wrote, TRANSFER_DO_TELL_ABORTED);
         m_aborted[cur] = at[cur] + 1; m_aborted_target[cur] = at[cur] + 1
    fi
}

inline decide(COMMIT)
{
    commit = COMMIT; acked = 0;
    TO(decide, state, TRANSFER_DECIDING);
    ACT(decide, TRANSFER_DO_WRITE); write = 1;
    ACT(decide, TRANSFER_DO_SETTLE); flows = WINNER;
#ifdef TELLS_BEFORE_WRITE
    tell(c);
#endif
    skip
}

inline abort()
{
    if
    :: state == TRANSFER_GONE -> decide(0)
    :: else
    fi
}

#define UNDER_WAY (cur != NO && state != TRANSFER_SETTLED)

/* What may be answered with more than `pending' is taken now. */
#define QUESTION(K) \
    :: atomic { m_ask[K] && (ended || view > at[K]) && \
                (!UNDER_WAY || state == TRANSFER_DECIDED) -> \
         m_ask[K] = 0; answer(K, false) } \
    :: atomic { m_ask[K] && !ended && view == at[K] && !UNDER_WAY && \
                owner_at[view] == from[K] && !let -> \
         m_ask[K] = 0; unknown(K) } \
    :: atomic { m_ask_target[K] && (ended || view > at[K]) && !UNDER_WAY -> \
         m_ask_target[K] = 0; answer(K, true) } \
    :: atomic { m_ask_target[K] && !ended && view == at[K] && !UNDER_WAY -> \
         m_ask_target[K] = 0; unknown(K) }

/* Asked about a transfer that is neither decided nor pursued here. */
inline unknown(k)
{
#ifdef UNKNOWN_IS_OVER
    m_released[k] = at[k] + 1
#else
    if
    :: cur != NO -> withdraw()
    :: else
    fi;
    cur = k; TO(add_transfer, state, TRANSFER_SETTLED);
    decide(0)
#endif
}

#define PARTY(K) \
    :: atomic { m_introduce[K] && !write -> \
         m_introduce[K] = 0; \
         if \
         :: cur == NO && !ended && !let && view == at[K] \
            && owner_at[view] == from[K] && !away[from[K]] && !away[to[K]] -> \
              cur = K; TO(add_transfer, state, TRANSFER_SETTLED); \
              m_expect[K] = 1; m_introduced[K] = 1 \
         :: !ended && !let && view > at[K] && owner_at[view] == from[K] -> \
              SEND(m_introduced[K], 2 + view, give[K] == GIVE_INTRODUCING) \
         :: ended || let || view <= at[K] || owner_at[view] != from[K] -> \
              SEND(m_introduced[K], 2, give[K] == GIVE_INTRODUCING) \
         fi } \
    :: atomic { m_withdraw[K] -> TAKE(m_withdraw[K]); give_up(K) } \
    :: atomic { m_decline[K] -> TAKE(m_decline[K]); give_up(K) } \
    :: atomic { m_prepare[K] && !(cur == K && write) -> \
         TAKE(m_prepare[K]); \
         if \
         :: cur == K && state == TRANSFER_SETTLED && !ended \
            && view == at[K] && owner_at[view] == from[K] \
            && !stale && master == c -> \
              TO(transfer_prepare, state, TRANSFER_GONE); \
              ACT(transfer_prepare, TRANSFER_DO_REDIRECT); \
              ACT(transfer_prepare, TRANSFER_DO_GO); SEND(m_go[K], 1, give[K] == GIVE_PREPARING) \
         :: cur == K && state == TRANSFER_SETTLED -> /* a check failed */ \
              SEND(m_go[K], 2, give[K] == GIVE_PREPARING); withdraw() \
         :: cur != K || state != TRANSFER_SETTLED -> SEND(m_go[K], 2, give[K] == GIVE_PREPARING) \
         fi } \
    :: atomic { m_claim[K] -> \
         TAKE(m_claim[K]); \
         if \
         :: cur == K && state == TRANSFER_GONE && !claimed -> \
              claimed = 1; \
              if :: flushed -> decide(1) :: else fi \
         :: else \
         fi } \
    :: atomic { m_flush[K] -> \
         TAKE(m_flush[K]); \
         if \
         :: cur == K && state == TRANSFER_GONE && !flushed -> \
              flushed = 1; assert(!tail[K]); \
              if :: claimed -> decide(1) :: else fi \
         :: else \
         fi } \
    :: atomic { m_announce[K] -> \
         m_announce[K] = 0; announced(from[K]) } \
    RELAY(m_offer, K) RELAY(m_accept, K) RELAY(m_refuse, K) RELAY(m_state, K) \
    QUESTION(K)

#ifdef KEEPS_LEASED_AWAY
#define LEASED_AWAY(D) skip
#else
#define LEASED_AWAY(D) sock[D] = 0
#endif

/* What the device holds, and what `register' or `epoch' answers. */
inline announced(D)
{
    if
    :: sock[D] == LIVE && moving[D] == NO ->
         if
#ifndef EPOCH_IS_ANOTHERS
         :: !ended && !let && owner_at[view] == D ->
              RAISE(high[D], view); RAISE(sepoch[D], view)
         :: (ended || owner_at[view] != D) && view > sepoch[D] ->
#else
         :: view > sepoch[D] ->
#endif
              RAISE(high[D], view); sock[D] = 0
         :: let && !view -> LEASED_AWAY(D)
         :: else
         fi
    :: else
    fi
}

#define RELAY(M, K) \
    :: atomic { M[K] == 1 -> M[K] = (cur == K -> 2 : 0) }

inline give_up(k)
{
    if
    :: cur != k || claimed
    :: else ->
         if
         :: state == TRANSFER_SETTLED -> withdraw()
         :: else -> abort()
         fi
    fi
}

/* `register', and what is announced in it. */
#define REGISTER(D) \
    :: atomic { away[D] -> \
         away[D] = 0; \
         if \
         :: cur != NO && state == TRANSFER_SETTLED && (T == D || G == D) -> \
              withdraw() \
         :: cur != NO && G == D && !claimed -> abort() \
         :: else \
         fi; \
         for (n : 0 .. LAST) { \
             if /* A proof is bound to the connection. */ \
             :: natt > n && to[n] == D -> m_claim[n] = 0 \
             :: else \
             fi \
         } \
         n = 0; \
         announced(D) } \
    RECLAIM(D)

/* The owner has been there for two minutes, and shows no such session. */
#define RECLAIM(D) \
    :: atomic { !away[D] && !ended && !let && owner_at[view] == D \
                && view == epoch && !sock[D] && cur == NO -> \
         assert(died[D]); ended = 1 }

proctype Controller(byte c)
{
    byte cur = NO;         /* transfers_find_session() */
    mtype:transfer state;
    bit claimed, flushed, acked, commit;
    byte write = 0;        /* 1 sent; replies: 2 done, 3 conflict, 4 lost */
    byte flows = NO;       /* A bundle on its way: the guard's new device. */
    byte view = 0;         /* The epoch up to which the replica has come. */

    do
    PARTY(0)
#if NATT > 1
    PARTY(1)
#endif
#if NATT > 2
    PARTY(2)
#endif
    REGISTER(0) REGISTER(1)
#if ND > 2
    REGISTER(2)
#endif
    /* Deadlines. */
    :: atomic { cur != NO && state == TRANSFER_SETTLED -> withdraw() }
    :: atomic { cur != NO && state == TRANSFER_GONE ->
         if
         :: claimed -> decide(1)
         :: else -> abort()
         fi }
#ifdef COMMITS_UNFLUSHED
    :: atomic { cur != NO && state == TRANSFER_GONE && claimed ->
         assert(!tail[cur]); decide(1) }
#endif

    /* The database: compare, and set. */
    :: atomic { write == 1 ->
         if
#ifdef WRITES_BLINDLY
         :: true ->
#else
         :: !ended && epoch == at[cur] && owner == T ->
#endif
              if
              :: commit ->
                   assert(!commits[cur]); commits[cur] = 1;
                   assert(sock[T] == FROZEN || died[T]) /* T had stopped. */
              :: else
              fi;
#ifdef ABORTS_UNRECORDED
              if
              :: commit -> epoch = at[cur] + 1; owner = WINNER
              :: else
              fi;
#else
              epoch = at[cur] + 1; owner = WINNER;
#endif
              by = cur; owner_at[epoch] = owner; by_at[epoch] = by; view = epoch;
              if :: write = 2 :: loss > 0 -> loss--; write = 4 fi
#ifndef WRITES_BLINDLY
         :: epoch == at[cur] + 1 && owner == WINNER && by == cur ->
              view = epoch; write = 2 /* An earlier try. */
         :: else -> view = epoch; write = 3
#endif
         fi }
    :: atomic { write == 1 && loss > 0 -> loss--; write = 4 }
    :: atomic { write == 4 -> /* run_deadline */
         ACT(run_deadline, TRANSFER_DO_WRITE); write = 1 }
    :: atomic { write == 3 ->
         write = 0;
         ACT(transfer_wrote, TRANSFER_DO_RESTORE); flows = owner_at[view];
         ACT(transfer_wrote, TRANSFER_DO_ANSWER);
         answer(cur, false); answer(cur, true);
         finish() }
    :: atomic { write == 2 ->
         write = 0;
         TO(transfer_wrote, state, TRANSFER_DECIDED);
         ACT(transfer_wrote, TRANSFER_DO_HOLD);
         if
         :: !commit -> tell(c); finish()
         :: commit && acked -> tell(c); finish()
         :: else
         fi }

    /* The bridge takes the flows, and says so. */
    :: atomic { flows != NO ->
         if
#ifndef FLOWS_OF_ANYBODY
         :: master == c ->
#else
         :: true ->
#endif
              guard = flows; acked = (cur != NO)
         :: else
         fi;
         flows = NO;
         if
         :: acked && state == TRANSFER_DECIDED -> tell(c); finish()
         :: else
         fi }
    :: atomic { stale && flows == NO && master == c && !UNDER_WAY ->
         stale = 0; guard = owner_at[view] }
#if NC > 1
    /* The replica catches up, and what differs is set right. */
    :: atomic { view < epoch -> view = epoch; stale = 1 }
#endif
    /* Killed and started again: what was on its way to the bridge may come. */
    :: atomic { crash > 0 ->
         crash--;
         if
         :: flows != NO && master == c -> guard = flows
         :: true
         fi;
         flows = NO; write = 0; cur = NO; claimed = 0; flushed = 0; acked = 0;
         commit = 0; state = 0; view = epoch;
         for (n : 0 .. LAST) { /* Requests end with their connection. */
             m_introduce[n] = 0; m_prepare[n] = 0; m_claim[n] = 0
         }
         n = 0; stale = stale || master == c; away[0] = 1; away[1] = 1;
#if ND > 2
         away[2] = 1;
#endif
         skip }
    od
}

#if NC > 1
/* The other controller takes over; this one is paused, and does not know. */
proctype Standby()
{
    do
    :: atomic { master == 0 -> master = 1; stale = 1 }
    od
}
#endif

proctype Lease()
{
    do
    :: atomic { lease > 0 && away[0] && !epoch && !ended && natt == 0 ->
         lease--; let = 1; guard = NO }
    :: atomic { lease > 0 && !away[0] && natt == 0 -> away[0] = 1 }
    od
}

/* The network. */

#define LOSE(M, D) :: atomic { loss > 0 && M -> loss--; M = 0; away[D] = 1 }
#define LOSE_FRAME(M) :: atomic { loss > 0 && M -> loss--; M = 0 }

proctype Network(byte k)
{
    do
    LOSE(m_introduce[k], from[k]) LOSE(m_introduced[k], from[k])
    LOSE(m_expect[k], to[k]) LOSE(m_unexpect[k], to[k])
    LOSE(m_withdraw[k], from[k]) LOSE(m_decline[k], to[k])
    LOSE(m_prepare[k], from[k]) LOSE(m_go[k], from[k])
    LOSE(m_claim[k], to[k]) LOSE(m_ask[k], from[k])
    LOSE(m_ask_target[k], to[k]) LOSE(m_owned[k], to[k])
    LOSE(m_released[k], from[k]) LOSE(m_aborted[k], from[k])
    LOSE(m_aborted_target[k], to[k]) LOSE(m_announce[k], from[k])
    LOSE_FRAME(m_offer[k]) LOSE_FRAME(m_accept[k]) LOSE_FRAME(m_refuse[k])
    LOSE_FRAME(m_state[k]) LOSE_FRAME(m_flush[k])
    od
}

init
{
    byte d;

    atomic {
        sock[0] = LIVE;
        owner_at[0] = 0;
        for (d : 0 .. LAST) {
            run Give(d); run Take(d); run Network(d)
        }
        for (d : 0 .. ND - 1) {
            run Kill(d)
        }
        for (d : 0 .. NC - 1) {
            run Controller(d)
        }
#if NC > 1
        run Standby();
#endif
#if LEASE > 0
        run Lease();
#endif
        d = 0
    }
    /* Nothing more can happen: one has the session, or nobody. */
    timeout;
#ifdef NOTHING_HAPPENS /* Must fail, or all was in vain. */
    assert(!commits[NATT - 1] || owner != to[NATT - 1])
#endif
    for (d : 0 .. ND - 1) {
        assert(ended || let || d != owner || sock[d] == LIVE);
        assert((!ended && !let && d == owner) || sock[d] == 0);
#if NC == 1
        assert(sock[d] != LIVE || sepoch[d] == epoch);
#else /* Its next move is refused once, and tells it. */
        assert(sock[d] != LIVE || sepoch[d] <= epoch);
#endif
        assert(!away[d])
    }
    for (d : 0 .. LAST) {
        assert(!give[d] && !take[d])
    }
    assert(let || ended || guard == owner)
}
