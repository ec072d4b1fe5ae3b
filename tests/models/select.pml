/*
 * select: three goroutines over a channel without a buffer and the done channels of two contexts.
 *
 * Mirrors sched/select.c: look, can_go, go_with_case, queue_and_park, commit_selection and unlock_all,
 * leave_queues, run; sched/chan.h: chan_win, chan_queue_take, chan_somebody_waits; sched/chan.c: chan_close.
 * C4 and C5 of chan.c, S1 to S4 of select.c; O25 of docs/memory-order.md; trap 9.
 *
 * 0 waits for a receive from data or for the end of its own context; 1 and 2 for a send to data or for
 * the end of another, which they share. Both contexts are cancelled, at any moment. (There is no plain
 * send: who waits without a select can always be won.) Each select ends, by a partner or by a cancel.
 *
 * Channel 0 is data, 1 and 2 are done, in the order of their addresses. The locks are what they are: the
 * commit gives them back one by one, on the hart that the goroutine has left, while the goroutine
 * may run already. `frame` says that a goroutine's list and records are still there. What is done
 * between two locks under all that it needs is one step.
 *
 * Safety: a goroutine is won once and made ready once; nothing is read of a frame that is gone; what
 * a sender sent the receiver has, and only then. Liveness: all three end.
 */
// check:  each_select_goes_once = safety
// check:  all_end = all_end
// mutant: NO_WON, assertion = safety: C5: a peer takes a record without a swap for won
// mutant: NO_LEAVE, assertion = safety: step 5: the other records stay where they are
// mutant: LEAVE_IF_QUEUED, assertion = safety: S2: step 5 passes over records that peers have dropped
// mutant: READ_AT_END, assertion = safety: S1: the commit reads the list after its last unlock
// mutant: ANY_ORDER, stuck = safety: step 1: one locks its channels in another order
// mutant: NO_LOOK_AGAIN, assertion = safety: S3: who seemed to wait is not asked for again
// mutant: LATE_COPY, assertion = safety: O25: the element is copied after g_ready
#define DATA 0
#define DONE(g) ((g) == 0 -> 1 : 2) /* 0 has a context of its own */
#define NOBODY 9
#define WON_DATA 1
#define WON_DONE 2

chan data_q = [3] of { byte }; /* 0 waits to receive, or 1 and 2 to send: never both kinds (C2) */
chan done_q[3] = [2] of { byte };
bool locked[3], closed[3], frame[3], ready[3], queued_data[3], queued_done[3];
byte won[3], elem[3], commit[3], result[3], ended;

inline lock(c)
{
    atomic { !locked[c] -> locked[c] = true }
}

inline unlock(c)
{
    locked[c] = false
}

/* The hart that a goroutine has left: unlock_all, by commit_selection. */
proctype hart(byte me)
{
end:
    do
    :: atomic { commit[me] == 1 -> assert(frame[me]); commit[me] = 2 }; /* what comes next is read */
       unlock(DATA);
#ifdef READ_AT_END
       unlock(DONE(me));
       assert(frame[me]);
       commit[me] = 0
#else
       atomic { commit[me] = 0; unlock(DONE(me)) }
#endif
    od
}

proctype selector(byte me)
{
    byte w = NOBODY, n;
    bool goes;
#ifdef ANY_ORDER
    if
    :: me == 1 -> lock(DONE(me)); lock(DATA)
    :: else -> lock(DATA); lock(DONE(me))
    fi;
#else
    lock(DATA);
    lock(DONE(me));
#endif
    do
    :: atomic { /* look */
           goes = false;
           do /* chan_somebody_waits */
           :: data_q?[0] && me != 0 && won[0] != 0 -> assert(frame[0]); data_q?0; queued_data[0] = false
           :: data_q?[1] && me == 0 && won[1] != 0 -> assert(frame[1]); data_q?1; queued_data[1] = false
           :: data_q?[2] && me == 0 && won[2] != 0 -> assert(frame[2]); data_q?2; queued_data[2] = false
           :: else -> break
           od;
           goes = (me == 0 -> data_q?[1] || data_q?[2] : data_q?[0])
       };
       if
       :: closed[DONE(me)] -> unlock(DATA); unlock(DONE(me)); result[me] = WON_DONE; goto out
       :: goes ->
          atomic { /* chan_queue_take: the first that this peer wins */
              w = NOBODY;
              do
              :: w == NOBODY && (me == 0 -> data_q?[1] || data_q?[2] : data_q?[0]) ->
                 if
                 :: me != 0 -> data_q?0; w = 0
                 :: me == 0 && data_q?[1] -> data_q?1; w = 1
                 :: me == 0 && !data_q?[1] -> data_q?2; w = 2
                 fi;
                 assert(frame[w]);
                 queued_data[w] = false;
#ifdef NO_WON
                 won[w] = WON_DATA
#else
                 if
                 :: won[w] == 0 -> won[w] = WON_DATA
                 :: else -> w = NOBODY
                 fi
#endif
              :: else -> break
              od
          };
#ifdef NO_LOOK_AGAIN
          assert(w != NOBODY);
#endif
          if
          :: w == NOBODY -> skip /* S3: look again */
          :: else ->
             unlock(DATA);
             unlock(DONE(me));
#ifdef LATE_COPY
             assert(!ready[w]);
             ready[w] = true;
#endif
             assert(frame[w]);
             if
             :: me == 0 -> elem[0] = elem[w]
             :: else -> elem[w] = me
             fi;
#ifndef LATE_COPY
             assert(!ready[w]);
             ready[w] = true; /* g_ready */
#endif
             result[me] = WON_DATA;
             goto out
          fi
       :: else -> break
       fi
    od;
    atomic { /* queue_and_park */
        frame[me] = true;
        won[me] = 0;
        elem[me] = me;
        data_q!me;
        queued_data[me] = true;
        done_q[DONE(me)]!me;
        queued_done[me] = true;
        commit[me] = 1 /* arch_park */
    };
    atomic { ready[me] -> ready[me] = false };
    result[me] = won[me];
#ifndef NO_LEAVE
    n = (won[me] == WON_DATA -> DONE(me) : DATA); /* leave_queues: of the other channel */
#ifdef LEAVE_IF_QUEUED
    if
    :: !(n == DATA -> queued_data[me] : queued_done[me]) -> skip
    :: else ->
#endif
    lock(n);
    atomic {
        if
        :: n == DATA && queued_data[me] -> data_q??eval(me)
        :: n != DATA && queued_done[me] -> done_q[DONE(me)]??eval(me)
        :: else -> skip
        fi;
        unlock(n)
    };
#ifdef LEAVE_IF_QUEUED
    fi;
#endif
#endif
    frame[me] = false;
out:
    atomic { w = NOBODY; n = 0; goes = false; ended++ }
}

/* chan_close of a done channel */
proctype canceller(byte c)
{
    byte w;
    chan all = [2] of { byte };
    lock(c);
    closed[c] = true; /* O70 */
    do /* chan_take_all */
    :: atomic {
           nempty(done_q[c]) -> done_q[c]?w;
           assert(frame[w]);
           queued_done[w] = false /* chan_win: first this, … */
       };
       atomic {
           assert(frame[w]); /* … then the swap */
           if
           :: won[w] == 0 -> won[w] = WON_DONE; all!w
           :: else -> skip
           fi;
           w = 0
       }
    :: empty(done_q[c]) -> break
    od;
    unlock(c);
    do /* chan_send_away */
    :: nempty(all) -> all?w; assert(!ready[w]); ready[w] = true; w = 0
    :: empty(all) -> break
    od
}

init
{
    atomic {
        run selector(0); run selector(1); run selector(2);
        run hart(0); run hart(1); run hart(2);
        run canceller(1); run canceller(2)
    };
    ended == 3; /* or stuck */
    assert((result[0] == WON_DATA) == (result[1] == WON_DATA || result[2] == WON_DATA));
    assert(result[1] != WON_DATA || result[2] != WON_DATA);
    assert(result[0] != WON_DATA || result[elem[0]] == WON_DATA)
}

ltl all_end { <> (ended == 3) }
