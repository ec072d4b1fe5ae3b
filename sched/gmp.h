/*
 * gmp: the types of the model. All else in sched/ is functions.
 *
 * G, a goroutine; M, a hart; P, the right to run goroutines and what is local to it.
 *
 *     ┌───┐  runs  ┌───┐  holds  ┌───┐   ring of 256, runnext, inbox, pinned queue, timers,
 *     │ G │───────▶│ M │────────▶│ P │   dead Gs, statistics
 *     └───┘        └───┘         └───┘
 *
 * States of a G, in Go's numbers, and who may change them:
 *
 *     from        to          by                       protected by
 *     G_IDLE      G_DEAD      chunk_take               nobody else knows it
 *     G_DEAD      G_RUNNABLE  go_with                  taken from a free list, nobody else knows it
 *     G_RUNNABLE  G_RUNNING   sched_run, arch_yield    taken from a queue by one M alone (I1)
 *     G_RUNNING   G_RUNNABLE  runtime_gosched          itself, preempt_off > 0
 *     G_RUNNING   G_RUNNABLE  preempt.c                an interrupt of its hart, preempt_off 0; itself
 *     G_RUNNING   G_WAITING   g_park                   itself, holding what its waker must hold
 *     G_WAITING   G_RUNNABLE  g_ready                  its waker, holding the same
 *     G_RUNNING   G_DEAD      runtime_goexit           the M it died on, from its scheduler stack
 *
 * I1  A runnable G is in exactly one place: a ring, a runnext, an inbox, a pinned queue, the
 *     global queue, or in the hands of one M.
 * I2  Nobody finds a G in any of these before its context is saved: it is put there from the
 *     scheduler stack, or by arch_yield's release of the ring's tail.
 * I3  A P's owner-only fields are touched by the M that holds it, preemption off; while the world
 *     is stopped, by the stopper.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arch/arch.h"
#include "kernel/spin.h"
#include "kernel/stack.h"
#include "sched/config.h"

enum g_status {
    G_IDLE = 0,
    G_RUNNABLE = 1,
    G_RUNNING = 2,
    G_SYSCALL = 3,
    G_WAITING = 4,
    G_DEAD = 6,
};

/* Why a G waits; tracebacks print the names in Go's words. */
enum wait_reason {
    WAIT_NONE,
    WAIT_SLEEP,
    WAIT_MUTEX,
    WAIT_RWMUTEX_R,
    WAIT_RWMUTEX_W,
    WAIT_WAITGROUP,
    WAIT_SEMACQUIRE,
    WAIT_CHAN_RECV,
    WAIT_CHAN_SEND,
    WAIT_CHAN_RECV_NIL,
    WAIT_CHAN_SEND_NIL,
    WAIT_SELECT,
    WAIT_SELECT_NONE,
    WAIT_COND,
    WAIT_REASONS,
};

/* Flags of a G, beside the port's arch_flags. */
#define GF_APART (GF_PINNED | GF_WIRED) /* never enters a ring */
#define GF_ASIDE (GF_APART | GF_CHAOS)  /* takes the long way; neighbours: one instruction asks */
enum {
    GF_PINNED = 1,       /* affinity is not "any": never enters a ring */
    GF_WIRED = 2,        /* has its hart to itself: in no queue but the global one (wired.c) */
    GF_CHAOS = 4,        /* where it goes is left to chance (chaos.c) */
    GF_ENDING = 8,       /* its end has work to do: defers, reent, a waitgroup, main's */
    GF_ODD = 16,         /* its burial is out of the ordinary: it is watched, or: */
    GF_DRESSED = 32,     /* a name, an affinity, a large stack, its own hart: that has work to do */
    GF_UNREACHABLE = 64, /* nobody can wake it any more (reach.c); the run ends */
    GF_KILLED = 128,     /* the monitor has ended it: once is enough (monitor.c) */
};

struct _reent;
struct waitgroup;

/*
 * Lies below its thread pointer; a goroutine's thread-local block follows it (sched/g.c). Ordered
 * so that what a switch touches shares the last lines.
 */
struct g {
    /* Set at its start, constant until it dies. */
    int64_t id;
    int64_t parent;      /* id of the goroutine that started it */
    uint32_t created_at; /* where: the low half of the address (g_created), or 0 */
    uint32_t trace_seq;  /* its events so far (trace.h); whoever has it in hand */
    const char *name;    /* NULL: none */
    uint64_t affinity;   /* 0: any P */
    struct stack stack;
    struct waitgroup *wg; /* done when it has ended; NULL: none */

    /* Its own, preemption on. */
    struct defer *defers;
    struct panicking *panic;
    struct _reent *reent; /* newlib's state, allocated when first asked for */
    int errno_value;      /* errno before there is a reent */
    uint8_t wait_reason;  /* enum wait_reason, while G_WAITING */
    uint8_t pages;        /* so many of its stack's, from the top, are there (preempt.c) */
    uint16_t slices;      /* used up, modulo 65536, for statistics */

#ifdef PINION_DEBUG
    /* Mutexes that it has locked (lockorder.c); its own. */
    uint64_t n_held, held_pad; /* so much that the rest keeps its alignment */
    struct held {
        const void *m;
        uintptr_t at; /* where */
    } held[ORDER_HELD];
#endif

    /* Whoever has it in hand (I1); the free lists. */
    struct g *link;

    /* Its own while running; its waker's under the lock it parked with. */
    void *wait_data; /* what the waker hands over */

    /* Below: known to the port, see arch/arch.h. */
    union {
        struct {
            uint8_t status;      /* enum g_status */
            uint8_t preempt_off; /* may not be preempted while > 0; its own */
            uint8_t watched;     /* WATCH_…; world stopped to write */
            uint8_t
                preempt_wanted; /* set by an interrupt that may not take it off; see preempt.h */
        };
        uint32_t state; /* all four: one comparison asserts two and asks for the others (G_STATE) */
    };
    uint8_t arch_flags;
    uint8_t flags;  /* GF_… */
    uint16_t locks; /* runtime_lock_os_thread's that are not undone */
    struct m *m;    /* the M that runs it, or ran it last */
    struct arch_context ctx;
} __attribute__((aligned(16)));

_Static_assert(sizeof(struct g) - offsetof(struct g, ctx) == ARCH_CONTEXT_SIZE,
               "the saved context ends at the thread pointer");
_Static_assert(offsetof(struct g, ctx) - offsetof(struct g, m) == ARCH_G_HART,
               "the switch stores the hart here");
_Static_assert(offsetof(struct g, ctx) - offsetof(struct g, status) == ARCH_G_WORD,
               "the switch stores status and preempt_off here");
_Static_assert(offsetof(struct g, preempt_off) == offsetof(struct g, status) + 1,
               "the switch stores both as one half-word");
_Static_assert(offsetof(struct g, ctx) - offsetof(struct g, arch_flags) == ARCH_G_FLAGS,
               "the port keeps its flags here");
_Static_assert(ARCH_G_RUNNING == G_RUNNING, "status RUNNING, preempt_off 0");

/* struct g's state with nothing out of the ordinary; little-endian, as both instruction sets are here. */
#define G_STATE(status, off) ((uint32_t)(status) | (uint32_t)(off) << 8)
/* The same of one that is traced. */
#define G_WATCHED(status, off) (G_STATE(status, off) | (uint32_t)WATCH_TRACE << 16)

/* Why a goroutine is watched. */
enum {
    WATCH_BLOCKS = 1,  /* how long it waits is counted (profile_block.c) */
    WATCH_TRACE = 128, /* what becomes of it is noted (trace.h); the sign, so that one jump asks */
};

static inline bool g_traced(const struct g *g)
{
    return (int8_t)g->watched < 0;
}

/* A P's queue: see runq.h. */
struct runq {
    struct arch_ring ring;             /* head: anyone by CAS; tail: the owner alone */
    struct g *_Atomic next;            /* runnext: the owner puts, anyone takes by exchange */
    _Atomic uintptr_t slot[RUNQ_SIZE]; /* thread pointers of Gs */
};

struct timer_entry {
    int64_t when;
    struct timer_node *node;
};

/* A P's timers: a 4-ary heap, see timer.h. */
struct timers {
    struct spin lock;      /* all of it but first */
    _Atomic int64_t first; /* when of the earliest, INT64_MAX for none; lock to write */
    struct timer_entry *heap;
    uint32_t n, cap;
};

/* Bits of a P's attention word: set by anyone, cleared by the owner before it looks. */
enum {
    ATTN_INBOX = 1,  /* the inbox has something */
    ATTN_TIMER = 2,  /* this P's timer interrupt came */
    ATTN_PINNED = 4, /* the pinned queue is not empty, or a pinned G runs */
    ATTN_STOP = 8,   /* the world is being stopped */
    ATTN_LATE = 16,  /* timers of a P in a blocking section are due */
};

/*
 * States of a P, in Go's numbers. All changes are made under sched.lock, by whoever gets the P or
 * gives it up, but for the two of a hart that enters and leaves a blocking section (section.c):
 *
 *     P_IDLE            in sched.idle_p; its last M watches its timers
 *     P_RUNNING         m's
 *     P_SYSCALL of a M  that M's goroutine is in a blocking section; whoever swaps the state away
 *                       has it
 *     P_STOPPED         the stopper's (world.c); of a M: to be put back into its section
 *     P_DEAD            beyond gomaxprocs
 */
enum p_status { P_IDLE, P_RUNNING, P_SYSCALL, P_STOPPED, P_DEAD };
#define P_OF(m)        (((m)->id + 1) << 8) /* the M of a state, above its enum p_status */
#define P_STATUS(word) ((enum p_status)((word)&0xff))
#define P_M(word)      (sched.m[((word) >> 8) - 1])

/* Struct p's tick counts in two. By TICK down to the schedule that looks at the global queue first:
 * TICKS(n) is n before it and with it, and below 0 for n = 1, so that a look at the sign tells. And
 * in the low bits up, by 1 for each schedule out of runnext: one addition does both. */
#define TICK     256
#define TICKS(n) (((int32_t)(n)-2) * TICK)
_Static_assert(GLOBAL_TICK + 1 < TICK, "schedules out of runnext do not overflow into the others");

struct p {
    /* The owner's fast path. */
    union {
        struct {
            _Atomic uint32_t attention;
            uint32_t watched; /* so is who runs here (trace.h); the world stopped to write */
        };
        _Atomic uint64_t unusual; /* is there either? */
    };
    union {
        struct {
            int32_t tick;
            uint32_t refills; /* of tick: see p_switches */
        };
        uint64_t schedule; /* both: another number for each schedule */
    };
    uint64_t inherited;  /* schedules that went on with the slice they found, but for tick's */
    struct cache *cache; /* free objects for malloc; constant */

    /* The owner's. */
    uint32_t id; /* constant */
    struct {
        uint32_t sched, start, unblock, create;
    } trace; /* constant: what it writes into records, ready-made (TRACE_WHAT) */
    struct g *pinned_head, *pinned_tail;
    bool pinned_turn; /* the pinned queue goes before the ring */
    struct g *free;   /* dead Gs with stacks, linked by link */
    uint32_t n_free;
    int64_t goid_next, goid_end;
    uint64_t ended; /* goroutines that ended here */
    uint64_t rng;
    struct p_counts { /* as in struct runtime_sched_stats */
        uint64_t spawned, preemptions, steals, stolen_gs, wakeups, parks, global_gets, timer_fires;
    } count;

    /* Anyone's. */
    struct g *_Atomic inbox __attribute__((aligned(64))); /* runq.h; thieves take it too */
    struct g *_Atomic pinbox;                             /* of pinned Gs: the owner alone takes */
    struct timers timers;

    _Atomic uint32_t status; /* enum p_status, and whose section it is */

    /* sched.lock. */
    struct m *m;      /* who holds it; in P_SYSCALL, whose section it is */
    struct m *last_m; /* who held it last, and watches its timers while both are idle */

    _Atomic uint32_t sections; /* the owner's: blocking sections that it has been left in */
    uint32_t seen_sections;    /* sysmon's: when it last looked … */
    int64_t seen_at;           /* … and when that section was new to it */

    /* Last, so that the rest is within a load's reach of the P's address. */
    struct runq runq __attribute__((aligned(64)));
} __attribute__((aligned(64)));

struct m {
    struct arch_hart hart; /* first: the port finds the M by it */

    /* Its own. */
    struct p *p;       /* NULL: idle */
    struct p *last_p;  /* the one it held last: its timers are this hart's to watch */
    struct g *wired;   /* the goroutine that has this hart to itself, or NULL (wired.c) */
    struct p *section; /* in a blocking section: the P that it left there (section.c) */
    uint32_t id;       /* logical number, constant */
    uint32_t hart_no;  /* its place in the machine's list of harts, constant */
    bool spinning;     /* it searches, and is counted in sched.spinning */

    /* Its own and its interrupt handlers': see preempt.c. */
    _Atomic uint32_t wanted; /* WANT_…: why what runs should leave the hart */
    uint64_t wanted_at;      /* its P's schedule when it was wanted */
    uint64_t slice_mark;     /* p_turns when the slice began */
    int64_t slice_end;       /* ns */
    _Atomic bool slice_on;   /* the timer ends the slice; others look */
    bool slice_kept;         /* a blocking section has broken it off, in the middle of the turn */
    struct g *host;          /* in whose slice another was let run, or NULL, … */
    uint64_t guest_at;       /* … and p_switches of that one's schedule */

    int64_t armed; /* when this hart's timer will fire; CLOCK_NEVER */
    uint64_t ipis_sent, idle_ns;
    int64_t idle_since; /* asleep since; 0: it is not */
    uint64_t ipis_received;
    uint64_t soft_irqs, timer_irqs; /* interrupts, spurious ones too; its handler's */

    /* A waker's hand-over: written by the waker, read by this M when its interrupt has come. */
    struct p *_Atomic next_p __attribute__((aligned(64)));
    _Atomic uint32_t
        self_wake;            /* its own interrupt handler's word to it: a timer fired, or a device
                               has readied a goroutine, while it slept */
    _Atomic bool wired_ready; /* `wired` is runnable */
    _Atomic bool halted;      /* it has stopped for good (fatal.c) … */
    _Atomic bool frozen;      /* … or stands still (freeze.c), … */
    struct arch_frame *frame; /* … here, on its trap stack */
    _Atomic bool up;          /* it has come up (boot) */
    struct g *g0;             /* its scheduler's context: never queued, never saved */

    struct trace_ring {
        struct trace_record *next, *end;        /* places for what comes; none: a new turn … */
        struct trace_record *begin;             /* … which began here */
        struct trace_record *again, *again_end; /* turns but the first (trace.c) */
        struct trace_record *first;             /* its memory */
        uint64_t before;                        /* written in earlier turns */
    } trace[2];       /* what it did, and what its interrupt handlers did (trace.h) */
    bool tracing;     /* is it to be noted? sched.lock, world stopped to write */
    uintptr_t stacks; /* lowest address of its scheduler and trap stacks */

    /* Its fault handler's; read when the machine has stopped. */
    int64_t fault_g, fault_at; /* whose the last fault was that became a panic, and when (ns) */
    struct arch_frame fault;   /* its registers */
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct m, hart) == 0, "struct arch_hart * is struct m *");

/* The scheduler's own: everything that belongs to no P. */
struct sched {
    /* Sets of Ps and Ms; lock to write. First: every g_ready reads it. */
    _Atomic uint64_t idle_p __attribute__((aligned(64)));
    _Atomic uint64_t idle_m;
    _Atomic int32_t spinning; /* Ms that search; see proc.c */

    struct spin lock __attribute__((aligned(64)));
    struct g *global_head, *global_tail; /* lock */
    _Atomic uint32_t global_n;           /* lock to write, anyone reads */

    uint32_t n_m; /* Ms, and Ps that there are: constant */
    uint32_t n_p; /* Ps in use (gomaxprocs); lock, world stopped to write; lock or a P to read */
    struct m *m[64];
    struct p *p[64];
    struct g *warm;          /* dead Gs with stacks; lock */
    _Atomic uint32_t n_warm; /* lock to write */
    _Atomic int64_t goid;
    struct m *_Atomic halting; /* who ends the run: the others stop at their next interrupt */
    bool main_exited;          /* main called goexit */

    uint64_t wired_idle;        /* Ms whose wired goroutines wait; lock */
    uint32_t n_wired;           /* lock */
    _Atomic bool stopping;      /* world.c; lock to write */
    _Atomic uint32_t stop_wait; /* running Ps still to be given up */
    struct m *_Atomic sysmon;   /* the idle hart that has the duty (sysmon.c); lock to write */
};
extern struct sched sched;

static inline uint64_t bit(uint32_t i)
{
    return UINT64_C(1) << i;
}

/* The number of the lowest bit of a set that is not empty. (Without bit-manipulation instructions the
 * compiler calls a function of 45 for it; de Bruijn's sequence has each six bits once.) */
static inline uint32_t lowest(uint64_t set)
{
#if defined(__riscv) && !defined(__riscv_zbb)
    static const uint8_t place[64] = {
        0,  1,  2,  53, 3,  7,  54, 27, 4,  38, 41, 8,  34, 55, 48, 28, 62, 5,  39, 46, 44, 42,
        22, 9,  24, 35, 59, 56, 49, 18, 29, 11, 63, 52, 6,  26, 37, 40, 33, 47, 61, 45, 43, 21,
        23, 58, 17, 10, 51, 25, 36, 32, 60, 20, 57, 16, 50, 31, 19, 15, 30, 14, 13, 12};
    return place[(set & -set) * UINT64_C(0x022fdd63cc95386d) >> 58];
#else
    return (uint32_t)__builtin_ctzll(set);
#endif
}

/* The running goroutine. Right at any instruction: a goroutine keeps its thread pointer wherever
 * it goes, so the compiler may keep the value too. */
static inline struct g *g_self(void)
{
    return (struct g *)__builtin_thread_pointer() - 1;
}

/* ASSERT: a broken invariant stops the machine; WHAT is unique, so that it can be found. */
_Noreturn void sched_throw(const char *what);
#define ASSERT(ok, what)                \
    do {                                \
        if (__builtin_expect(!(ok), 0)) \
            sched_throw(what);          \
    } while (0)

/* Functions of the hot paths that call nothing, or end in a call: no frame of their own, so a
 * traceback shows their caller in their place. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(PINION_COVERAGE)
#define HOT __attribute__((optimize("omit-frame-pointer")))

/*
 * For functions that make no call but at their end. The compiler reasons about their arguments
 * beyond jumps, gains nothing, and then moves them about: hence the second option.
 */
#define STRAIGHT __attribute__((optimize("omit-frame-pointer", "no-cse-follow-jumps")))

/* The same of those that write records, in which two stores are cheaper than one of what shifts have put
 * together; and of who parks, for whom loads are best left where they are. */
#define NOTES                                                                                     \
    __attribute__((optimize("omit-frame-pointer", "no-cse-follow-jumps", "no-tree-slp-vectorize", \
                            "no-code-hoisting")))
#else /* sanitizers and counters call out of every function */
#define HOT
#define STRAIGHT
#define NOTES
#endif

static inline uintptr_t g_tp(const struct g *g)
{
    return (uintptr_t)(g + 1);
}

static inline struct g *g_of(uintptr_t tp)
{
    return (struct g *)tp - 1;
}
