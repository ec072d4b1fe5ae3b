/*
 * config: every knob of the scheduler: meaning, unit, default, price. Go's value where it has one.
 */
#pragma once

/* Goroutines a P's ring holds before half moves to the global queue. Power of two. Go: 256. */
#define RUNQ_SIZE 256u

/* Every so many schedules the global queue is looked at first, and runnext is passed over, so that
 * neither starves. Prime, so that it beats with no loop of a program. Go: 61. */
#define GLOBAL_TICK 61u

/* Goroutines taken from the global queue at once, at most. Go: half a ring. */
#define GLOBAL_BATCH (RUNQ_SIZE / 2)

/* Rounds of stealing before a hart goes idle; the last takes timers and runnext too. Go: 4. */
#define STEAL_ROUNDS 4

/* Dead goroutines a P keeps for its next spawns; beyond, half move to the global list, giving up
 * their stacks. Go: 64 and 32. */
#define GFREE_MAX   64u
#define GFREE_BATCH 32u

/* Dead goroutines with stacks in the global list, at most, about. A page or more each. */
#define GFREE_WARM 4096u

/* Chunks of descriptors that nobody uses and that are kept for the next goroutines; 16 KiB each. */
#define CHUNKS_SPARE 4u

/* How long a goroutine runs while others wait, ns. Go: 10 ms. */
#define SLICE_NS 10000000
/* A preemption that met the hart between two goroutines is tried again after this, ns, or somewhat more. */
#define PREEMPT_RETRY_NS 20000
/* And one that found no room for the registers on the goroutine's stack, ns. */
#define PREEMPT_NO_ROOM_NS 1000000
/* So far up from the registers' place it looks whether all of the stack is there, bytes. */
#define PREEMPT_LOOK_UP ((size_t)64 << 10)

/* sysmon's naps, ns: the first ROUNDS_AT_FIRST, and the longest. Go: 20 µs, 50, 10 ms. */
#define NAP_NS          20000
#define ROUNDS_AT_FIRST 50
#define NAP_MAX_NS      10000000
/* A P is taken from a blocking section that has lasted this long even if nothing waits. Go: 10 ms. */
#define RETAKE_NS 10000000

/* A hart in a blocking section whose P's timers are due says so this often, ns. */
#define LATE_NS 1000000

/* Goroutine ids a P takes from the global counter at once. Go: 16. */
#define GOID_BATCH 16

/* Default size of a goroutine's stack slot, and the largest, bytes. A page is used at first. */
#define STACK_DEFAULT STACK_SIZE_MIN
#define STACK_MAX     ((size_t)64 << 20)
/* main's, since programs written for a process expect more. */
#define STACK_MAIN ((size_t)1 << 20)

/* A mutex waiter that has waited longer goes to starvation mode, ns. Go: 1 ms. */
#define MUTEX_STARVE_NS 1000000

/* Buckets of the table of blocked goroutines by address, as a power of two; 64 bytes each. Go: 251. */
#define SEMA_BUCKETS_LOG2 8

/* Nanoseconds a thief waits before it takes a runnext that its owner is about to run. Go: 3 µs. */
#define RUNNEXT_GRACE_NS 3000

/* A timer whose goroutine cannot be made for lack of memory tries again after so long, ns. */
#define TIMER_RETRY_NS 1000000

/* Pools give up what has lain unused for two of these, ns. Go: each garbage collection, 2 minutes. */
#define POOL_TRIM_NS INT64_C(120000000000)

/* Chaos: about how long a busy hart is left alone, at most, ns; and how much of a tick's being late counts. */
#define CHAOS_TICK_NS     ((int64_t)1 << 18)
#define CHAOS_LATE_MAX_NS 2500000
/* And one in so many of malloc's requests is refused at first, where all come the long way; of others. */
#define CHAOS_REFUSE_BLOCK 64
#define CHAOS_REFUSE       8

/* Addresses of a stack that a profile keeps. Go: 64 or 32. And pages of a hart's table of stacks, and of
 * that of all goroutines: some 1000 stacks. */
#define PROFILE_DEPTH       64u
#define CPU_PROFILE_PAGES   32
#define STACK_PROFILE_PAGES 64
#define CPU_PROFILE_HZ_MAX  10000

/* How long a hart that ends the run waits for the others to stop, ns. */
#define HALT_WAIT_NS 100000000

/* Stacks of a hart: scheduler and traps, bytes. */
#define SCHED_STACK_SIZE ((size_t)16 << 10)
#define TRAP_STACK_SIZE  ((size_t)16 << 10)

/* Debug images: mutexes and pairs of them whose order is followed, and locks held at once. */
#define ORDER_MUTEXES 1024
#define ORDER_EDGES   4096
#define ORDER_HELD    8

/* Goroutines whose tracebacks a run that ends wrong shows, at most, beside main's and its own. Go: all. */
#define TRACEBACK_GS 256u

/* Ctrl-\: a handler that cannot print just now tries again so much later, ns, and so often before it does it
 * in the middle of somebody's line. */
#define QUIT_RETRY_NS 1000000
#define QUIT_TRIES    50u

/* The monitor: how long it looks at who has the harts, ns, and how often a second; bytes of a page of
 * text, and how long a goroutine that is to be ended may take until it runs its own code, ns. */
#define MONITOR_LOOK_NS 500000000
#define MONITOR_LOOK_HZ 400
#define MONITOR_PAGES   4
#define MONITOR_KILL_NS 2000000000

/* pinion.scheddetail: goroutines shown, at most; Go: all. Descriptors looked at in one interrupt, and
 * the least pause between two, ns. */
#define DETAIL_GS       256u
#define DETAIL_LOOKS    512u
#define DETAIL_PAUSE_NS 200000

/* Does pinion.leakcheck tell whom nobody can wake any more (reach.c)? 0 or 1. Price: 2.2 KB of each image. */
#define REACH 1
