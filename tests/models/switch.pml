/*
 * switch: two harts that change goroutines, and may take each other's.
 *
 * Mirrors arch.h: arch_park, arch_yield; sched/park.c: yield_commit; sched/proc.h: g_resume. I1 and I2 of
 * gmp.h; traps 5 and 6.
 *
 * Each hart leaves its goroutine, which from then on lies where any hart may take it, and takes one, its
 * own again or the other's. What a taker needs is the saved context, and that is there before the
 * goroutine can be found. So nobody waits for the hart that a goroutine comes from. A scheduler that
 * makes it findable earlier has to let the taker wait until that hart has left it; and one that says so
 * only when it has the next context in hand lets two harts wait for each other for ever.
 *
 * The queue is a set: which one is the oldest plays no part. As many goroutines as harts: with one more
 * lying there somebody could always go on.
 *
 * Safety: who is resumed has been saved, and nobody is stuck. Liveness: both harts make all their switches.
 */
// check:  nobody_waits_for_a_context = safety
// check:  both_go_on = all_switched
// mutant: WAIT_FOR_LEAVER, stuck = safety: trap 6: the taker waits until the last hart has gone on
// mutant: PUT_FIRST, assertion = safety: trap 5: the goroutine can be found before it is saved
#define HARTS    2
#define SWITCHES 3

bool ready[HARTS], saved[HARTS], gone[HARTS];
byte done;

proctype hart(byte me)
{
    byte g = me, next, n;
    do
    :: n < SWITCHES ->
       gone[g] = false;
#ifdef PUT_FIRST
       ready[g] = true;
       saved[g] = true;
#else
       saved[g] = true; /* arch_park: the last register */
       ready[g] = true; /* O1: release: the commit */
#endif
       if
       :: atomic { ready[0] -> ready[0] = false; next = 0 } /* O1: acquire */
       :: atomic { ready[1] -> ready[1] = false; next = 1 }
       fi;
#ifdef WAIT_FOR_LEAVER
       next == g || gone[next];
#endif
       gone[g] = true; /* g_resume: this hart has another */
       g = next;
       assert(saved[g]);
       saved[g] = false;
       n++
    :: n == SWITCHES -> break
    od;
    done++
}

init
{
    atomic { run hart(0); run hart(1) }
}

ltl all_switched { <> (done == HARTS) }
