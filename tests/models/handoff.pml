/*
 * handoff: the P of a blocking section: its hart takes it back, or sysmon hands it on.
 *
 * Mirrors sched/section.c: section_lend, section_take_back, runtime_exitsyscall, exit_slow,
 * section_end_locked, queue_locked; sched/sysmon.c: sysmon_call, sysmon_round, is_long, retake, off_duty,
 * sysmon_leave. B1, B2 and B3 of section.c; O20 and O22 (sysmon) of docs/memory-order.md.
 *
 * One P, HARTS harts, as many goroutines, each of which enters a blocking section once. The section may
 * end or last for ever. The other harts are idle and spare; the one with the duty looks, naps, and
 * looks again. A section that it sees twice is long: it retakes the P. Whoever has no work gives the P up.
 *
 * Store buffers. `status = P_SYSCALL` and `sysmon = NULL` lie in a buffer of one entry until the memory
 * beside the hart empties it; full_fence waits for that, and so does a swap of the same word. What is done
 * in one hold of sched.lock is one step. Waking an idle hart for work is idle.pml's, and one step here;
 * world_stops is world.pml's.
 *
 * Safety: the P has one owner, the one that p->m says (B1, B2); no goroutine is lost or comes back twice.
 * Liveness: all goroutines come to run, though those before them stay in their sections for ever.
 */
// check:  one_owner_whom_the_p_names = safety
// check:  who_waits_for_the_p_runs = all_begin
// mutant: NO_NAME, assertion = safety: B1: the state does not name the hart
// mutant: PLAIN_EXIT, assertion = safety: O20: the hart takes its P back by a load and a store
// mutant: NO_FENCE_CALL, cycle = all_begin: O22: sysmon_call's fence
// mutant: NO_FENCE_OFF, cycle = all_begin: O22: off_duty's fence
// mutant: NO_LOOK_OFF, cycle = all_begin: the duty ends without a look at the states
// mutant: NO_CALL, cycle = all_begin: a section begins without a call
// mutant: NO_LEAVE, cycle = all_begin: who retakes a P keeps the duty
#define HARTS 3
#define NONE  9
#define P_IDLE    0
#define P_RUNNING 1
#ifdef NO_NAME
#define P_SYSCALL(m) 2
#else
#define P_SYSCALL(m) (2 + (m))
#endif
#define GIVE(m) idle[m] = false; given[m] = true; p_m = m; status = P_RUNNING
#define IN_SECTION (status >= 2)
#define ANY_SPARE  (idle[0] + idle[1] + idle[2] > (status == P_IDLE))

byte status = P_RUNNING, p_m, sections, sysmon = NONE;
byte fresh = HARTS, back, begun, ended;
bool idle[HARTS], given[HARTS];
bool lends[HARTS], drops[HARTS]; /* the buffers: status = P_SYSCALL, sysmon = NULL */

proctype memory(byte me)
{
end:
    do
    :: atomic { lends[me] -> status = P_SYSCALL(me); lends[me] = false }
    :: atomic { drops[me] -> sysmon = NONE; drops[me] = false }
    od
}

inline sysmon_call()
{
#ifndef NO_CALL
#ifndef NO_FENCE_CALL
    !lends[me] && !drops[me]; /* O22: full fence */
#endif
    if
    :: sysmon != NONE -> skip
    :: else ->
       atomic { /* under sched.lock; spare_locked: any, for none watches timers */
           if
           :: sysmon == NONE && ANY_SPARE && idle[0] -> sysmon = 0
           :: sysmon == NONE && ANY_SPARE && idle[1] -> sysmon = 1
           :: sysmon == NONE && ANY_SPARE && idle[2] -> sysmon = 2
           :: !(sysmon == NONE && ANY_SPARE) -> skip
           fi
       }
    fi
#else
    skip
#endif
}

/* An idle hart for an idle P, if there is work: one step. */
inline wake_idle()
{
    atomic {
        if
        :: status == P_IDLE && fresh + back > 0 && idle[0] -> GIVE(0)
        :: status == P_IDLE && fresh + back > 0 && idle[1] -> GIVE(1)
        :: status == P_IDLE && fresh + back > 0 && idle[2] -> GIVE(2)
        :: !(status == P_IDLE && fresh + back > 0 && idle[0] + idle[1] + idle[2] > 0) -> skip
        fi
    }
}

/* sched.sysmon == me. off_duty, at the end of a round or of the hart's sleep. */
inline off_duty()
{
    drops[me] = true; /* O76: release */
#ifndef NO_FENCE_OFF
    !drops[me]; /* O22: full fence */
#endif
#ifndef NO_LOOK_OFF
    if
    :: IN_SECTION -> sysmon_call()
    :: else -> skip
    fi
#endif
}

proctype hart(byte me)
{
    byte seen = 255;
    if
    :: me == 0 -> goto with_p
    :: else -> goto asleep
    fi;
with_p:
    atomic { assert(status == P_RUNNING && p_m == me && !idle[me] && ended <= begun); seen = 255 };
    if
    :: atomic { back > 0 -> back--; ended++ }; goto with_p
    :: atomic { fresh > 0 -> fresh--; begun++ }; goto section
    :: atomic { fresh + back == 0 -> status = P_IDLE; p_m = NONE; idle[me] = true }; goto asleep
    fi;
section:
    sections++;
    lends[me] = true; /* section_lend. O20: release */
    sysmon_call();
    if
    :: skip
    :: true ->
end_of_time:
       false /* it lasts for ever */
    fi;
    !lends[me];
#ifdef PLAIN_EXIT
    if
    :: status == P_SYSCALL(me) ->
       status = P_RUNNING;
#else
    if
    :: atomic { status == P_SYSCALL(me) -> status = P_RUNNING }; /* O20: acquire */
#endif
       ended++;
       goto with_p
    :: atomic { /* exit_slow, with the lock */
           status != P_SYSCALL(me) ->
           if
           :: status == P_IDLE -> status = P_RUNNING; p_m = me; ended++; goto with_p
           :: else -> back++; idle[me] = true
           fi
       };
       wake_idle()
    fi;
asleep:
end_asleep:
    if
    :: atomic { given[me] -> given[me] = false };
       if
       :: sysmon == me -> off_duty() /* sysmon_leave */
       :: else -> skip
       fi;
       goto with_p
    :: sysmon == me && !given[me] -> /* sysmon_round, after the IPI or a nap */
       if
       :: IN_SECTION && seen == sections -> /* is_long; retake */
          if
          :: atomic { idle[me] && IN_SECTION && ANY_SPARE -> status = P_RUNNING; idle[me] = false; p_m = me };
#ifndef NO_LEAVE
             off_duty();
#endif
             goto with_p
          :: atomic { !(idle[me] && IN_SECTION && ANY_SPARE) -> goto asleep }
          fi
       :: IN_SECTION && seen != sections -> seen = sections
       :: !IN_SECTION -> off_duty()
       fi;
       goto asleep
    fi
}

init
{
    atomic {
        idle[1] = true; idle[2] = true;
        run memory(0); run memory(1); run memory(2);
        run hart(0); run hart(1); run hart(2)
    };
    begun == HARTS /* or stuck */
}

ltl all_begin { <> (begun == HARTS) }
