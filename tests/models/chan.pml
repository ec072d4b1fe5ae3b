/*
 * chan: send, receive, close and a try, on one channel of words.
 *
 * Mirrors sched/chan.c: chan_send (the short way: count < limit), send_any, chan_recv (count > floor),
 * recv_any, chan_close, chan_take_all, chan_send_away, recv_must_wait; sched/chan.h: chan_send_now,
 * chan_recv_now, chan_wait_to_send, chan_wait_to_receive. C1 to C4 of chan.c; O24, O25, O70 of
 * docs/memory-order.md.
 *
 * Two senders send an element each, two receivers receive until the channel is closed, which may
 * be at any moment; or one receives, and somebody tries without blocking, once. The buffer has 0 or 1 place: without one
 * nothing takes the short way (CHAN_MEETS does in one step what the long way does).
 *
 * What is done in one hold of the lock is one step: others look at single words meanwhile at most,
 * which the try does between any two steps. Parking is park.pml's: here who waits has been saved, waits for
 * `ready`, and its record is there until it goes on. After the unlock a peer works on the record in steps.
 *
 * Safety: each element that was sent is received once and no other; a channel that is closed takes none;
 * a record is touched only while it is there; a no of a try was right at a moment between its looks.
 * Liveness: all come to their end.
 */
// check:  each_element_is_received_once = safety
// check:  all_end = all_end
// mutant: OPEN_LIMIT, assertion = safety: C1: who waits to receive does not shut the short way to send
// mutant: CLOSE_KEEPS_LIMIT, assertion = safety: C1: close leaves the short way open
// mutant: OPEN_FLOOR, assertion = safety: C1: floor goes to 0 while senders are queued
// mutant: NO_REFILL, assertion = safety: C2: a receive from a full buffer drops the first sender's element
// mutant: READY_FIRST, assertion = safety: O25: g_ready before the copy
// mutant: CLOSE_SOME, assertion = safety: C2: close leaves waiting senders in their queue
// mutant: CLOSED_FIRST, assertion = safety: O24: a try looks at closed, then at count
#define SENDERS 2
#define MAX     9

chan senders = [4] of { byte };
chan receivers = [4] of { byte };
byte cap, count, slot, limit, floor;
byte elem[4], got[3], ended; /* processes 0 and 1 send 1 and 2; 2 and 3 receive */
bool closed, ready[4], ok[4], there[4], sent[3];
bool was_both; /* open and empty at a moment since the try began */

#define NOTE was_both = was_both || (!closed && count == 0)

/* A peer with record w in its hands, the lock given back. */
inline serve(w, value, copies)
{
#ifdef READY_FIRST
    ready[w] = true;
#endif
    assert(there[w]);
    if
    :: copies -> elem[w] = value
    :: else -> skip
    fi;
    assert(there[w]);
    ok[w] = true;
    ready[w] = true; /* g_ready */
    w = MAX
}

/* park … woken */
inline wait()
{
    atomic { ready[me] -> ready[me] = false; there[me] = false }
}

proctype sender(byte me)
{
    byte w = MAX;
    bool done;
    atomic { /* the short way */
        if
        :: count < limit -> assert(!closed); slot = me + 1; count++; done = true
        :: else -> skip
        fi
    };
    if
    :: !done ->
       atomic { /* chan_send_now */
           if
           :: nempty(receivers) -> receivers?w; assert(!closed); done = true
           :: empty(receivers) && closed -> goto end_it
           :: empty(receivers) && !closed ->
              limit = cap;
              if
              :: count < cap -> slot = me + 1; count++; done = true
              :: else ->
#ifndef OPEN_FLOOR
                 floor = MAX;
#endif
                 senders!me; elem[me] = me + 1; ok[me] = false; there[me] = true
              fi
           fi
       };
       if
       :: w != MAX -> serve(w, me + 1, true)
       :: else -> skip
       fi;
       if
       :: !done -> wait(); done = ok[me]
       :: else -> skip
       fi
    :: else -> skip
    fi;
    sent[me + 1] = done;
end_it:
    ended++
}

proctype receiver(byte me)
{
    byte w = MAX, mine;
    do
    :: mine = 0;
       atomic { /* the short way */
           if
           :: count > floor -> mine = slot; slot = 0; count--; NOTE
           :: else -> skip
           fi
       };
       if
       :: mine == 0 ->
          atomic { /* chan_recv_now */
              if
              :: nempty(senders) && cap == 0 -> senders?w; assert(!closed); mine = elem[w]
              :: nempty(senders) && cap > 0 ->
                 senders?w; mine = slot; assert(!closed); /* C2 */
#ifdef NO_REFILL
                 slot = 0; count--
#else
                 slot = elem[w] /* C2 */
#endif
              :: empty(senders) && count > 0 ->
                 mine = slot; slot = 0; count--; floor = 0; NOTE
              :: empty(senders) && count == 0 && closed -> break
              :: empty(senders) && count == 0 && !closed ->
#ifndef OPEN_LIMIT
                 limit = 0;
#endif
                 receivers!me; elem[me] = 0; ok[me] = false; there[me] = true
              fi
          };
          if
          :: w != MAX -> serve(w, 0, false)
          :: mine == 0 && w == MAX ->
             wait();
             if
             :: !ok[me] -> break
             :: else -> mine = elem[me]
             fi
          :: else -> skip
          fi
       :: else -> skip
       fi;
       atomic { assert(mine == 1 || mine == 2); got[mine]++; assert(got[mine] == 1); elem[me] = 0 }
    od;
    ended++
}

proctype closer()
{
    byte w;
    chan all = [4] of { byte };
    atomic {
        closed = true; /* O70: release */
#ifndef CLOSE_KEEPS_LIMIT
        limit = 0;
#endif
        do
        :: nempty(receivers) -> receivers?w; all!w
        :: empty(receivers) -> break
        od;
#ifndef CLOSE_SOME
        do
        :: nempty(senders) -> senders?w; all!w
        :: empty(senders) -> break
        od
#endif
    };
    do /* chan_send_away */
    :: nempty(all) -> all?w; assert(there[w] && !ok[w]); ready[w] = true
    :: empty(all) -> break
    od
}

/* recv_must_wait, as far as it looks at count. */
proctype trier()
{
    bool is_empty, is_closed;
    atomic {
        was_both = !closed && count == 0;
#ifdef CLOSED_FIRST
        is_closed = closed
    };
    is_empty = count == 0;
#else
        is_empty = count == 0 /* O24: acquire */
    };
    is_closed = closed;
#endif
    assert(!(is_empty && !is_closed) || was_both);
    ended++
}

init
{
    atomic {
        if
        :: cap = 0; floor = MAX; run receiver(3)
        :: cap = 1; run receiver(3)
        :: cap = 1; run trier()
        fi;
        limit = cap;
        run sender(0); run sender(1); run receiver(2); run closer()
    };
    ended == 4; /* or stuck */
    assert(got[1] == sent[1] && got[2] == sent[2])
}

ltl all_end { <> (ended == 4) }
