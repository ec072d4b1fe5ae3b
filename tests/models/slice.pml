/*
 * slice: the end of a slice when nobody waits, against work that comes from elsewhere: O19.
 *
 * Mirrors sched/preempt.c: slice_over, slice_notify, preempt_on_timer, preempt_on_ipi, send_behind; S1 of
 * preempt.c; sched/proc.c: put_locked and put_and_unlock (first_come), global_get. O19 of
 * docs/memory-order.md, in the section on slices.
 *
 * A hart runs a goroutine that calls nothing, for ever. While slice_on, its timer goes off at the end
 * of the slice, again and again; otherwise only an IPI reaches it. Publishers put a goroutine each on
 * the global queue, and notify if it was empty before; another hart may take one off once. When the hart
 * takes its goroutine off it runs all that wait before the goroutine comes round again.
 *
 * Store buffers. Each process that writes has a buffer of one entry, which a process beside it, the
 * memory, empties some time later; full_fence waits for that. A publisher's entry is its new global_n
 * with the unlock behind it. This is what x86 and any weaker hart do. A handler is one with the hart it
 * interrupts, and is written as that hart's steps.
 *
 * Safety: when nothing moves any more nobody waits. Liveness: all that was published runs.
 */
// check:  quiet_means_nobody_waits = safety
// check:  who_is_ready_runs = all_run
// mutant: NO_FENCE_OVER, stuck = safety: O19: slice_over's fence
// mutant: NO_FENCE_NOTIFY, stuck = safety: O19: slice_notify's fence
// mutant: NO_SECOND_LOOK, stuck = safety: slice_over turns off without looking again
// mutant: NO_NOTIFY, cycle = all_run: who publishes first tells nobody
// mutant: IPI_ONLY_STOPS, cycle = all_run: the handler of the IPI begins no slice
#define PUBLISHERS 2
#define EMPTY 0

bool slice_on = true, locked, ipi;
byte global_n, ran;
byte hart_buffer;                    /* EMPTY, 1: slice_on = false, 2: slice_on = true */
bool publisher_buffer[PUBLISHERS];   /* global_n + 1 and the unlock are on their way */

active proctype memory_of_hart()
{
end:
    do
    :: atomic { hart_buffer != EMPTY -> slice_on = hart_buffer == 2; hart_buffer = EMPTY }
    od
}

proctype memory_of_publisher(byte me)
{
end:
    do
    :: atomic {
           publisher_buffer[me] -> global_n++;
           locked = false;
           publisher_buffer[me] = false
       }
    od
}

inline store_slice_on(value)
{
    atomic { hart_buffer == EMPTY -> hart_buffer = 1 + value; on = value }
}

/* preempt_commit, send_behind, sched_next … until the goroutine is on its hart again. */
inline take_off()
{
    atomic { !locked -> ran = ran + global_n; global_n = 0 }
}

inline slice_over()
{
    if
    :: global_n == 0 ->
       store_slice_on(false);
#ifndef NO_FENCE_OVER
       hart_buffer == EMPTY; /* O19: full fence */
#endif
#ifndef NO_SECOND_LOOK
       if
       :: global_n != 0 -> store_slice_on(true); take_off()
       :: else -> skip
       fi
#endif
    :: else -> take_off()
    fi
}

active proctype hart()
{
    bool on = true; /* slice_on, as it sees it */
end:
    do
    :: on -> slice_over()
    :: atomic { ipi -> ipi = false };
#ifndef IPI_ONLY_STOPS
       if
       :: !on && global_n != 0 -> store_slice_on(true)
       :: else -> skip
       fi
#endif
    od
}

proctype publisher(byte me)
{
    bool first_come;
    atomic { !locked -> locked = true };
    atomic { first_come = global_n == 0; publisher_buffer[me] = true };
#ifndef NO_NOTIFY
    if
    :: first_come -> /* slice_notify */
#ifndef NO_FENCE_NOTIFY
       !publisher_buffer[me]; /* O19: full fence */
#endif
       if
       :: !slice_on -> ipi = true
       :: else -> skip
       fi
    :: else -> skip
    fi
#endif
}

/* Another hart, in want of work once. */
active proctype taker()
{
    if
    :: atomic { !locked && global_n > 0 -> global_n--; ran++ }
    :: skip
    fi
}

init
{
    atomic {
        run publisher(0);
        run publisher(1);
        run memory_of_publisher(0);
        run memory_of_publisher(1)
    };
    ran == PUBLISHERS /* or stuck */
}

ltl all_run { <> (ran == PUBLISHERS) }
