/*
 * world: two stop the world, while a third hart enters and leaves blocking sections.
 *
 * Mirrors sched/world.c: world_stop, take_at_once, ask_all, world_wait, world_keep_locked, world_start;
 * sched/section.c: section_lend, section_take_back, section_end_locked, exit_slow; idle_sleep's turning back,
 * and the looks at world_stops in next_slow and find_runnable. W1, W2 and W3 of world.c; O20 and O21
 * of docs/memory-order.md; trap 22.
 *
 * Harts 0 and 1 run a stopper each, hart 2 a goroutine that enters SECTIONS sections; each of them may
 * last for ever. A hart that waits for the mutex goes idle, or is stopped, as it comes. Every P stays with
 * its hart (handoff.pml lets one wander). What is done in one hold of sched.lock is one step; what is done
 * without it, swaps, the store in section_lend, the decrements of stop_wait, is one each. An idle
 * hart takes its P as soon as that is idle and there is work: that it is woken is idle.pml's.
 *
 * Safety: while the world is stopped no P but the stopper's is run, W2's count never goes below 0, and in
 * the end nobody stands still. Liveness: both have stopped the world.
 */
// check:  stopped_means_all_but_one = safety
// check:  both_stop_the_world = both
// mutant: NO_MUTEX, assertion = safety: the second does not wait for the first
// mutant: NO_RECHECK, assertion = safety: world_wait does not look again with the lock held
// mutant: COUNT_EARLY, assertion = safety: W2: stop_wait is counted before the P is given up
// mutant: NO_TAKE_AGAIN, cycle = both: a P that has entered a section since is only asked
// mutant: TAKE_BLINDLY, assertion = safety: W3: the way out of a section ignores the stop
// mutant: SECTION_STAYS, stuck = safety: B3: a section that is over is put back (no world_keep_locked)
// mutant: PLAIN_BACK, assertion = safety: O20: the hart comes back by a load and a store
#define HARTS    3
#define SECTIONS 2
#define IDLE     0
#define RUNNING  1
#define SYSCALL  2
#define STOPPED  3
#define STOPPED_SYSCALL 4 /* W3: to be put back into its section */
#define NONE     9

byte status[HARTS] = RUNNING, stop_wait, mutex = NONE, stops;
bool stopping, attention[HARTS], runs[HARTS], for_ever, worked;

/* p's hart need not be asked. In a d_step. */
#define AT_ONCE(p) (status[p] == IDLE || status[p] == SYSCALL)
#define TAKE(p)    status[p] = (status[p] == IDLE -> STOPPED : STOPPED_SYSCALL)

/* Waits for an idle P; it is there already, or the stopper gives it back. */
inline get_p()
{
    atomic { status[me] == IDLE -> status[me] = RUNNING }
}

inline world_wait()
{
#ifdef COUNT_EARLY
    if
    :: atomic { stopping -> assert(stop_wait > 0); stop_wait-- };
       atomic { attention[me] = false; status[me] = STOPPED };
       get_p()
    :: atomic { !stopping -> attention[me] = false }
    fi
#else
    if
    :: atomic {
#ifdef NO_RECHECK
           true -> attention[me] = false; status[me] = STOPPED
#else
           stopping -> attention[me] = false; status[me] = STOPPED
#endif
       };
       atomic { assert(stop_wait > 0); stop_wait-- }; /* O21: release */
       get_p()
#ifndef NO_RECHECK
    :: atomic { !stopping -> attention[me] = false } /* it has gone on already */
#endif
    fi
#endif
}

inline stopped_world()
{
    assert(mutex == me && !runs[(me + 1) % HARTS] && !runs[(me + 2) % HARTS]);
    assert(status[(me + 1) % HARTS] >= STOPPED && status[(me + 2) % HARTS] >= STOPPED)
}

inline world_stop()
{
    d_step {
        stopping = true;
        stop_wait = 0;
        p = 0;
        do
        :: p == HARTS -> break
        :: p < HARTS && p == me -> p++
        :: p < HARTS && p != me && AT_ONCE(p) -> TAKE(p); p++
        :: p < HARTS && p != me && !AT_ONCE(p) -> stop_wait++; p++
        od;
        p = 0
    };
    do
    :: stop_wait == 0 -> break /* O21: acquire */
    :: d_step { /* ask_all; again and again */
           stop_wait > 0 ->
           p = 0;
           do
           :: p == HARTS -> break
           :: p < HARTS && p == me -> p++
#ifndef NO_TAKE_AGAIN
           :: p < HARTS && p != me && AT_ONCE(p) -> TAKE(p); stop_wait--; p++
#else
           :: p < HARTS && p != me && AT_ONCE(p) -> p++
#endif
           :: p < HARTS && p != me && !AT_ONCE(p) ->
              attention[p] = attention[p] || status[p] == RUNNING; p++
           od;
           p = 0
       }
    od
}

inline world_start()
{
    d_step {
        stopping = false;
        p = 0;
        do
        :: p == HARTS -> break
        :: p < HARTS && p == me -> p++
        :: p < HARTS && p != me && status[p] == STOPPED -> status[p] = IDLE; p++
        :: p < HARTS && p != me && status[p] != STOPPED -> status[p] = SYSCALL; p++ /* O20: release */
        od;
        p = 0
    }
}

proctype stopper(byte me)
{
    byte p;
    do /* mutex_lock */
    :: atomic { mutex == NONE -> mutex = me }; break
#ifdef NO_MUTEX
    :: mutex = me; break
#endif
    :: stopping -> world_wait()
    :: atomic { mutex != NONE && !stopping -> status[me] = IDLE }; /* idle_sleep */
       atomic { status[me] == IDLE && mutex == NONE -> status[me] = RUNNING }
    od;
    do /* preemption is on until world_stop turns it off */
    :: break
    :: attention[me] -> world_wait()
    od;
    world_stop();
    stopped_world();
    stopped_world();
    world_start();
    atomic { stops++; mutex = NONE };
    atomic { status[me] = IDLE } /* it has ended */
}

proctype worker(byte me)
{
    byte n;
    do
    :: n == SECTIONS -> break
    :: n < SECTIONS ->
       runs[me] = true;
       do
       :: break
       :: attention[me] -> runs[me] = false; world_wait(); runs[me] = true
       od;
       atomic { n++; runs[me] = false };
       status[me] = SYSCALL; /* section_lend. O20: release */
       if
       :: skip
       :: for_ever = true;
end:
          false
       fi;
#ifdef PLAIN_BACK
       if
       :: status[me] == SYSCALL -> status[me] = RUNNING
#else
       if
       :: atomic { status[me] == SYSCALL -> status[me] = RUNNING } /* O20: acquire */
#endif
       :: status[me] != SYSCALL -> /* exit_slow */
          atomic {
#ifdef TAKE_BLINDLY
              status[me] = RUNNING
#elif defined(SECTION_STAYS)
              if
              :: !stopping && status[me] == SYSCALL -> status[me] = RUNNING
              :: else -> skip
              fi
#else
              if
              :: !stopping && status[me] == SYSCALL -> status[me] = RUNNING
              :: stopping && status[me] == SYSCALL -> /* world_keep_locked */
                 assert(stop_wait > 0);
                 stop_wait--;
                 status[me] = STOPPED
              :: stopping && status[me] == STOPPED_SYSCALL -> status[me] = STOPPED
              :: else -> skip
              fi
#endif
          };
          if
          :: status[me] == RUNNING -> skip
          :: else -> get_p()
          fi
       fi
    od;
    worked = true;
    do
    :: attention[me] -> world_wait()
    :: atomic { !stopping && !attention[me] -> status[me] = IDLE; break }
    od
}

init
{
    atomic { run stopper(0); run stopper(1); run worker(2) };
    stops == 2 && (worked || for_ever) /* or stuck */
}

ltl both { <> (stops == 2) }
