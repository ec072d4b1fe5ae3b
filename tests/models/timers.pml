/*
 * timers: a sleeper's timer, while its hart goes idle and another takes the P over.
 *
 * Mirrors sched/timer.c: sleep_commit, add_to and arm_added, take_due, fire_due, timers_run, timers_arm,
 * arm_later, timers_interrupt, timers_run_others; sched/idle.c: idle_sleep, sleep_until_woken, wake_self and
 * the paragraph on timers; sched/preempt.c: preempt_on_timer; sched/section.c: exit_slow with
 * idle_take_locked and sched_resume. T1, T2 and T3 of timer.c; traps 1, 9, 10 and 28.
 *
 * Hart 0 runs the only goroutine of its P; that goes to sleep, so the hart runs what is due, gives up
 * the P and watches its timers. Hart 1 comes out of a blocking section at any moment; if the P is idle it
 * takes it and computes for ever: only its own timer interrupt reaches it then. Or, as a thief in its
 * last round, it fires others' timers once. The sleeper's time comes at any moment.
 *
 * A comparator is armed for the sleeper's time, or for never; it interrupts while that time is past. A
 * handler is a process beside its hart: it comes between any two steps of it unless masked, and is one
 * step. What is done in one hold of a lock is one step.
 *
 * Safety: the timer fires once and not early, and when nothing moves any more it has fired. Liveness:
 * it fires.
 */
// check:  fires_once_not_early_and_not_never = safety
// check:  the_sleeper_wakes = fires
// mutant: NO_WATCH, stuck = safety: T3: the hart that gives its P up does not arm for its timers
// mutant: NO_ARM_ON_TAKING, stuck = safety: T3: who takes the P over does not arm
// mutant: CLEAR_LATE, stuck = safety: self_wake is cleared when the hart is idle already
// mutant: OPEN_WINDOW, stuck = safety: trap 10: interrupts are open between look and WFI
// mutant: NO_SELF_WAKE, stuck = safety: the handler of an idle hart leaves no word
// mutant: NO_RUN, cycle = fires: who wakes himself does not run what is due
// mutant: UNLOCKED, assertion = safety: T2: a timer is taken out of the heap after it was fired
bool due, queued, fired;
bool p_idle, holds[2], attention; /* the P: nobody's, hart 0's, hart 1's; ATTN_TIMER */
bool armed[2], masked, self_wake; /* the harts; masked and self_wake are hart 0's */

inline timers_arm(m)
{
    armed[m] = armed[m] || queued
}

/* fire_due: take_due under the lock, then fire. */
inline fire_due()
{
#ifdef UNLOCKED
    if
    :: due && queued -> assert(!fired); fired = true; queued = false
    :: else -> skip
    fi
#else
    atomic {
        if
        :: due && queued -> queued = false; assert(!fired && due)
        :: else -> none = true
        fi
    };
    if
    :: none -> none = false
    :: else -> assert(!fired); fired = true
    fi
#endif
}

inline timers_run(m)
{
    fire_due();
    timers_arm(m)
}

/* timers_interrupt of hart 0. */
active proctype handler_0()
{
end:
    do
    :: atomic {
           armed[0] && due && !masked ->
           armed[0] = false; /* arm_later, or CLOCK_NEVER */
#ifdef NO_SELF_WAKE
           self_wake = self_wake || holds[0];
#else
           self_wake = true;
#endif
           attention = attention || (holds[0] && queued) /* preempt_on_timer */
       }
    od
}

active proctype hart_0()
{
    bool none;
    holds[0] = true;
    queued = true;  /* sleep_commit: add_to, under the lock */
    timers_arm(0);  /* arm_added */
    do
    :: fired && !queued -> break
    :: else ->
       /* find_runnable */
#ifndef NO_RUN
       timers_run(0);
#endif
       if
       :: atomic { attention -> attention = false }; timers_run(0) /* pick_local, attend */
       :: !attention -> skip
       fi;
       /* idle_sleep */
#ifndef CLEAR_LATE
       self_wake = false;
#endif
       atomic { holds[0] = false; p_idle = true };
#ifndef NO_WATCH
       timers_arm(0); /* sleep_until_woken */
#endif
#ifdef CLEAR_LATE
       self_wake = false;
#endif
       masked = true;
       do
       :: atomic { self_wake -> self_wake = false };
          masked = false;
          if
          :: atomic { p_idle -> p_idle = false; holds[0] = true }; break /* wake_self */
          :: !p_idle -> masked = true
          fi
       :: !self_wake ->
#ifdef OPEN_WINDOW
          masked = false;
          masked = true;
#endif
end_wfi:
          armed[0] && due; /* WFI: an interrupt is pending */
          masked = false;
          !(armed[0] && due); /* it is taken */
          masked = true
       od
    od
}

/* Hart 1: a section's end, a last round, or nothing. */
active proctype hart_1()
{
    bool none;
    if
    :: fire_due() /* timers_run_others */
    :: atomic { p_idle -> p_idle = false; holds[1] = true }; /* idle_take_locked */
#ifndef NO_ARM_ON_TAKING
       timers_arm(1); /* sched_resume */
#endif
end:
       do /* computes; its timer takes it off, and the scheduler attends */
       :: atomic { armed[1] && due -> armed[1] = false };
          timers_run(1)
       od
    :: skip
    fi
}

active proctype clock()
{
    due = true
}

init
{
    fired /* or stuck */
}

ltl fires { <> fired }
