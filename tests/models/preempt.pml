/*
 * preempt: the end of a slice, against preempt_off and against goroutines that wake each other.
 *
 * Mirrors sched/preempt.c: slice_over, want, preempt_on_trap_exit, take_off, put_off, preempt_commit,
 * end_slice, preempt_honour; sched/proc.h: preempt_on, preempt_off, run_next_simply, g_resume;
 * sched/proc.c: pick_queued. slice_mark, wanted, wanted_at, preempt_wanted; a slice is on always (S1).
 * Traps 12 and 32.
 *
 * One hart. A and C work, turn preemption off, make the other ready, as runnext, if they like, and
 * turn preemption on or park: two that keep waking each other are one turn. B computes. A step takes a
 * tick; when `left` of the slice is 0 the timer's handler comes before the next, wherever that is: with
 * preemption off, on the scheduler stack, between the count and the look of preempt_on. SLICE is a multiple of the
 * loop of A and C, and begins at any tick of it: so without put_off its ends meet the same step for ever.
 *
 * A number that is only compared with the present one is a bit that a new schedule or turn clears: `fresh`
 * is wanted_at == schedule, `marked` is slice_mark == p_turns, `mark_next` what end_slice's mark + 1 makes of
 * it. Guests, WANT_LOOK, room on the stack: not here. RETRY is as long as the loop of A and C, the worst
 * case: always the same, it would keep step with them, and so it is sometimes a tick longer (retry_ns).
 *
 * Safety: nobody is taken off with preemption off or between two; who is taken off has had his slice, but for
 * the switch to him (trap 12); nobody goes on with preemption on and a word that is meant for him.
 * Liveness: all have turns, again and again.
 */
// check:  taken_off_in_time_and_not_in_between = safety
// check:  all_have_turns = turns
// mutant: STALE_WORD, assertion = safety: trap 12: preempt_honour does not compare wanted_at
// mutant: NO_PUT_OFF, cycle = turns: an end of a slice that cannot be had is not tried again soon
// mutant: SAME_RETRY, cycle = turns: it is tried again after the same time always
// mutant: TAKE_ANYWAY, assertion = safety: the handler does not look at preempt_off
// mutant: TAKE_SCHEDULER, assertion = safety: the handler does not see that it met the scheduler
// mutant: LOOK_FIRST, assertion = safety: preempt_on looks for the word, then counts
// mutant: NO_LOOK, assertion = safety: preempt_on does not look for the word
#define SLICE 12 /* ticks; a loop of A and C takes 4, a park's switch included */
#define RETRY 4
#define A 0
#define B 1
#define C 2
#define NOBODY 3
#define OTHER(g) (2 - (g))
#define SWITCH 1 /* it takes so long */

chan ring = [3] of { byte }; /* and the global queue: behind everyone */
byte cur = A, next = NOBODY, left, used;
byte preempt_off;
bool longer, wanted, fresh, marked = true, mark_next, in_switch, word[3], waits[3], leaves;

#ifdef TAKE_SCHEDULER
#define ON_G true
#else
#define ON_G !in_switch
#endif
#ifdef NO_PUT_OFF
#define PUT_OFF skip
#else
#define PUT_OFF left = (fresh -> RETRY + longer : left); VARY
#endif
#ifdef SAME_RETRY
#define VARY skip
#else
#define VARY longer = !longer
#endif

/* g_ready, if it can. */
#define READY_OTHER \
    if \
    :: waits[OTHER(cur)] -> waits[OTHER(cur)] = false; next = OTHER(cur) \
    :: else -> skip \
    fi

/* slice_over, then preempt_on_trap_exit. */
inline handler()
{
    if
    :: marked -> wanted = true; fresh = true
    :: else -> skip
    fi;
    marked = true; /* slice_begin */
    left = SLICE;
    if
    :: !wanted -> skip
#ifndef TAKE_SCHEDULER
    :: wanted && in_switch -> PUT_OFF
    :: wanted && !in_switch && !fresh -> skip
#else
    :: wanted && !fresh -> skip
#endif
#ifndef TAKE_ANYWAY
    :: wanted && ON_G && fresh && preempt_off > 0 -> word[cur] = true; PUT_OFF
    :: wanted && ON_G && fresh && preempt_off == 0 -> leaves = true
#else
    :: wanted && ON_G && fresh -> leaves = true
#endif
    fi;
    assert(!leaves || (preempt_off == 0 && !in_switch))
}
/* The end of a step. */
inline tick()
{
    used = (used < SLICE -> used + 1 : used);
    left--;
    if
    :: left == 0 -> handler()
    :: else -> skip
    fi
}

/* sched_next: runnext goes on with the turn, the ring begins another. */
inline pick()
{
    in_switch = true;
    preempt_off = 0; /* the scheduler has a count of its own */
    tick();
    if
    :: next != NOBODY -> cur = next; next = NOBODY
    :: else -> ring?cur; marked = mark_next; mark_next = false; used = 0
    fi;
    fresh = false;
    in_switch = false
}

/* preempt_commit, end_slice */
inline taken_off()
{
    assert(used >= SLICE - SWITCH);
    leaves = false;
    wanted = false;
    word[cur] = false;
    if
    :: next != NOBODY -> ring!next; next = NOBODY
    :: else -> skip
    fi;
    mark_next = true;
    ring!cur;
    pick()
}

inline preempt_honour()
{
    word[cur] = false;
    if
#ifdef STALE_WORD
    :: wanted -> left = SLICE; taken_off()
#else
    :: wanted && fresh -> left = SLICE; taken_off()
#endif
    :: else -> skip
    fi
}

/* One step of who runs; at: where each is in its loop. */
active proctype hart()
{
    byte at[3];
    bool saw;
    atomic {
        waits[C] = true;
        ring!B;
        select(left : 1 .. SLICE);
        used = SLICE - left /* of the first turn */
    };
    do
    :: atomic { leaves -> taken_off() }
    :: atomic { !leaves && cur == B -> tick() }
    :: atomic { !leaves && cur != B && at[cur] == 0 -> /* works */
           assert(!(word[cur] && wanted && fresh));
           at[cur] = 1;
           tick()
       }
    :: atomic { !leaves && cur != B && at[cur] == 1 -> preempt_off++; at[cur] = 2; tick() }
    :: atomic { !leaves && cur != B && at[cur] == 2 ->
           if
           :: READY_OTHER
           :: true -> skip
           fi;
           at[cur] = 3;
           tick() /* preempt_on comes, … */
       }
    :: atomic { !leaves && cur != B && at[cur] == 2 ->
           READY_OTHER;
           tick(); /* … or g_park */
           at[cur] = 0;
           waits[cur] = true;
           pick()
       }
    :: atomic { !leaves && cur != B && at[cur] == 3 ->
#ifdef LOOK_FIRST
           saw = word[cur];
#else
           preempt_off--;
#endif
           at[cur] = 4;
           tick()
       }
    :: atomic { !leaves && cur != B && at[cur] == 4 ->
           at[cur] = 0;
#ifdef LOOK_FIRST
           preempt_off--;
           if
           :: saw -> preempt_honour()
           :: else -> skip
           fi
#elif !defined(NO_LOOK)
           if
           :: word[cur] && preempt_off == 0 -> preempt_honour()
           :: else -> skip
           fi
#endif
       }
    od
}

ltl turns { ([]<> (cur == B)) && ([]<> (cur != B)) }
