/*
 * idle: work against idleness: searching, going to sleep, waking.
 *
 * Mirrors sched/idle.c: S1 to S5 (wake_idle, wake_wanted, wake_idle_slow, idle_hand_over), W1 to W5
 * (idle_sleep, spin_stop, work_in_sight, wake_self, sleep_until_woken), spin_start, spin_found; sched/proc.c:
 * find_runnable, steal, run_found. I4 and I5 of idle.c; O3 and O5 of docs/memory-order.md; traps 1, 2, 3
 * and 10.
 *
 * Hart 0 runs a goroutine that spawns two others and then computes, for ever as far as they know. The
 * first of the two to run waits, busily, for the other. So each must get a hart, and with HARTS 3 the
 * last needs the last hart. As long as no P is in a blocking section an M is woken with the P it has
 * given up (choose_idle), so hart and P are one here, and idle_m and idle_p one set.
 *
 * Store buffers. What a hart stores in its ring (tail), and its bit in the idle set with the unlock
 * behind it, lies in a buffer of one entry, which its memory empties some time later. full_fence waits
 * for that. Operations that read and write in one go straight to memory and empty nothing: that is weaker
 * than their seq_cst, and shows that O3 needs the fences alone. Releases are in order as they stand.
 *
 * An IPI is a bit. A hart that has found next_p empty, with interrupts masked, waits for the bit; the
 * handler acknowledges, and next_p is looked at again. Not here: timers (timers.pml), pinned
 * goroutines and wake_p, the global queue, world_stops (world.pml).
 *
 * Safety: when nothing moves any more no goroutine lies in a queue (hart 0 would be stuck); who is taken out
 * of the idle set had nothing handed over yet (I5); spinning counts. Liveness: both run.
 */
// check:  none_lies_while_harts_sleep = safety
// check:  both_run = all_run
// mutant: NO_FENCE_SUBMIT, stuck = safety: O3: S2, the fence in wake_wanted
// mutant: NO_FENCE_SLEEP, stuck = safety: O3: W3, the fence in idle_sleep
// mutant: NO_LAST_LOOK, stuck = safety: W4, the last look at the queues
// mutant: STOP_LATE, stuck = safety: W2 after W4: the search ends behind the last look
// mutant: NO_WAKE_ON_FIND, stuck = safety: spin_found wakes nobody else
// mutant: NO_SECOND_QUESTION, stuck = safety: a claim given back without asking again (S5)
// mutant: OPEN_WINDOW, stuck = safety: trap 10: interrupts are open between look and WFI
// mutant: IPI_FIRST, stuck = safety: O5, O15: the interrupt overtakes next_p
#define HARTS 3
#define EMPTY 0
#define PUT   1 /* tail + 1 */
#define IDLE  2 /* the bit of idle_m and idle_p, then the unlock */

byte queue[HARTS], buffer[HARTS], spinning, ran;
bool idle[HARTS], next_p[HARTS], ipi[HARTS], locked;

#define ANY_IDLE (idle[0] || idle[1] || idle[2])

proctype memory(byte me)
{
end:
    do
    :: atomic { buffer[me] == PUT -> queue[me]++; buffer[me] = EMPTY }
    :: atomic { buffer[me] == IDLE -> idle[me] = true; locked = false; buffer[me] = EMPTY }
    od
}

inline wake_idle_slow()
{
    do
    :: spinning != 0 -> break /* S4 */
    :: atomic { spinning == 0 -> spinning = 1 };
       atomic { !locked -> locked = true };
       atomic { /* take_idle_locked; spin_unlock */
           if
           :: idle[0] -> i = 0; idle[0] = false
           :: !idle[0] && idle[1] -> i = 1; idle[1] = false
           :: !idle[0] && !idle[1] && idle[2] -> i = 2; idle[2] = false
           :: else -> i = HARTS
           fi;
           locked = false
       };
       if
       :: i < HARTS -> /* idle_hand_over */
          assert(!next_p[i]);
#ifdef IPI_FIRST
          ipi[i] = true;
          next_p[i] = true;
#else
          next_p[i] = true; /* O5: release */
          ipi[i] = true;
#endif
          i = 0;
          break
       :: else ->
          atomic { assert(spinning > 0); spinning--; i = 0 };
#ifdef NO_SECOND_QUESTION
          break
#else
          buffer[me] == EMPTY; /* O3: S2 again */
          if
          :: !ANY_IDLE -> break
          :: else -> skip
          fi
#endif
       fi
    od
}

inline wake_idle()
{
#ifndef NO_FENCE_SUBMIT
    buffer[me] == EMPTY; /* O3: S2 */
#endif
    if
    :: ANY_IDLE -> wake_idle_slow() /* S3 */
    :: else -> skip
    fi
}

proctype spawner(byte me)
{
    byte i, n;
    do
    :: atomic { n < 2 && buffer[me] == EMPTY -> buffer[me] = PUT; n++ }; /* S1 */
       wake_idle()
    :: n == 2 -> break
    od;
    ran == 2 /* or stuck */
}

inline spin_stop()
{
    atomic { assert(spinning > 0); spinning--; searches = false }
}

inline look_at(v)
{
    if
    :: queue[v] > 0 -> seen = true
    :: else -> skip
    fi
}

inline steal_from(v)
{
    if
    :: atomic { !found && queue[v] > 0 -> queue[v]--; found = true }
    :: found || queue[v] == 0 -> skip
    fi
}

/* Returns with a P, searching. */
inline sleep_until_woken()
{
end:
    do
    :: atomic { next_p[me] -> next_p[me] = false; ipi[me] = false; searches = true; break }
    :: !next_p[me] ->
#ifdef OPEN_WINDOW
       ipi[me] = false;
#endif
end_wfi:
       atomic { ipi[me] -> ipi[me] = false } /* WFI; the handler acknowledges */
    od
}

inline idle_sleep()
{
    atomic { !locked && buffer[me] == EMPTY -> locked = true; buffer[me] = IDLE }; /* W1 */
#ifndef STOP_LATE
    if
    :: searches -> spin_stop() /* W2 */
    :: else -> skip
    fi;
#endif
#ifndef NO_FENCE_SLEEP
    buffer[me] == EMPTY; /* O3: W3 */
#endif
#ifndef NO_LAST_LOOK
    look_at(0); /* W4 */
    look_at(1);
    look_at(2);
#endif
#ifdef STOP_LATE
    if
    :: searches -> spin_stop()
    :: else -> skip
    fi;
#endif
    if
    :: seen -> /* wake_self */
       seen = false;
       atomic { !locked -> locked = true };
       atomic {
           if
           :: idle[me] -> idle[me] = false; searches = true; spinning++
           :: else -> skip
           fi;
           locked = false
       }
    :: else -> skip
    fi;
    if
    :: searches -> skip
    :: else -> sleep_until_woken()
    fi
}

proctype hart(byte me)
{
    byte i;
    bool searches, found, seen;
    do /* find_runnable */
    :: if
       :: !searches -> atomic { searches = true; spinning++ } /* spin_may_start; spin_start */
       :: true -> skip
       fi;
       if
       :: searches -> steal_from(0); steal_from((me == 1 -> 2 : 1)) /* nobody else fills a ring */
       :: else -> skip
       fi;
       if
       :: found -> /* run_found */
          found = false;
          spin_stop();
#ifndef NO_WAKE_ON_FIND
          wake_idle();
#endif
          ran++;
          ran == 2 /* it waits for the other */
       :: else -> idle_sleep()
       fi
    od
}

init
{
    atomic {
        run memory(0); run memory(1); run memory(2);
        run spawner(0); run hart(1); run hart(2)
    }
}

ltl all_run { <> (ran == 2) }
