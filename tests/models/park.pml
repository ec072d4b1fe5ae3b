/*
 * park: a goroutine that finds it must wait, and who makes it ready.
 *
 * Mirrors sched/proc.h: g_park_here, g_resume; sched/park.c: g_park, park_unlock; sched/proc.c: g_ready;
 * and the use that a semaphore in a parking lot makes of them (sched/lot.c, L3 of lot.h; semaphore.c). O9
 * and O1 of docs/memory-order.md; traps 4, 5, 7 and 9.
 *
 * One goroutine takes TOKENS tokens, and parks when there is none. Each waker, on a hart of its own,
 * brings one: under the bucket's lock it takes the record of who waits, or adds to the word; then it
 * makes whom it took ready. Two harts run what is ready, so the goroutine may be taken by either as
 * soon as it is in the queue, while the other is still busy with its commit.
 *
 * A hart is on the goroutine's stack from the moment it resumes it until arch_park has left for the
 * scheduler's stack. `saved` says that the context holds what is to be resumed. The record lies on that
 * stack, from the look until the goroutine goes on. Queueing and the look at the word are under the lock
 * and so are one step; the lock's own fairness is tests/unit/spin_test.c's.
 *
 * Safety: who is resumed has been saved and is on no other hart; who is made ready waits; a commit
 * touches no record that is gone. Liveness: the goroutine gets all its tokens.
 */
// check:  one_stack_one_hart = safety
// check:  who_sleeps_is_woken = has_all
// mutant: UNLOCK_EARLY, assertion = safety: trap 5: the goroutine unlocks before it is saved
// mutant: OWN_STACK, assertion = safety: trap 5: the commit runs on the stack of who parks
// mutant: LOOK_UNLOCKED, cycle = has_all: the look at the word comes before the lock, and not again
// mutant: KEEP_RECORD, assertion = safety: L3: a waker leaves the record in the queue
// mutant: STATUS_LATE, assertion = safety: G_WAITING is written after the unlock
// mutant: READ_RECORD, assertion = safety: the commit reads the record after its unlock
// mutant: READY_UNDER_WAY, assertion = safety: who wakes looks for a status, not for a record
#define TOKENS 2
#define G_RUNNABLE 0
#define G_RUNNING  1
#define G_WAITING  2

byte tokens, got, status = G_RUNNABLE, on_stack;
bool locked, recorded, record_there, saved = true, ready = true;

inline lock()
{
    atomic { !locked -> locked = true }
}

inline unlock()
{
    locked = false
}

/* arch_park: from here on the hart is on its scheduler's stack. */
inline leave_stack()
{
    saved = true;
    on_stack--
}

/* The goroutine, from where it is resumed to where it parks or ends; and the commit after it. */
inline goroutine()
{
    do
    :: got == TOKENS -> on_stack--; break
    :: got < TOKENS ->
#ifdef LOOK_UNLOCKED
       bool none = tokens == 0;
       lock();
#else
       lock();
       bool none = tokens == 0;
#endif
       if
       :: !none -> tokens--; got++; unlock()
       :: else ->
          recorded = true;
          record_there = true;
#ifndef STATUS_LATE
          status = G_WAITING;
#endif
#if defined(UNLOCK_EARLY)
          unlock();
          leave_stack();
#elif defined(OWN_STACK)
          saved = true;
          unlock();
          on_stack--;
#else
          leave_stack();
          unlock(); /* O9: release: by the commit, park_unlock */
#endif
#ifdef STATUS_LATE
          status = G_WAITING;
#endif
#ifdef READ_RECORD
          assert(record_there);
#endif
          break
       fi
    od
}

/* A hart's scheduler: sched_next, g_resume. */
active [2] proctype hart()
{
end:
    do
    :: atomic { ready -> ready = false }; /* O1: acquire */
       assert(status == G_RUNNABLE && saved && on_stack == 0);
       on_stack++;
       saved = false;
       status = G_RUNNING;
       record_there = false; /* it goes on: its record is gone */
       goroutine()
    od
}

active [TOKENS] proctype waker()
{
    bool took;
    lock();
    tokens++;
#ifdef READY_UNDER_WAY
    took = status == G_WAITING || recorded;
    recorded = false;
    unlock();
    if
    :: took || status == G_WAITING ->
#else
    took = recorded;
#ifndef KEEP_RECORD
    recorded = false;
#endif
    unlock();
    if
    :: took ->
#endif
       atomic { assert(status == G_WAITING); status = G_RUNNABLE }; /* g_ready */
       assert(!ready);
       ready = true /* O1: release */
    :: else -> skip
    fi
}

ltl has_all { <> (got == TOKENS) }
