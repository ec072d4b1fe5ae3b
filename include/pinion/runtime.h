/*
 * runtime.h: looking inside. The scheduler's counters are kept by each P without atomics and read
 * while they run: each is exact for a P at rest and at most a moment old for a busy one.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct runtime_sched_stats {
    uint64_t spawned;     /* goroutines started here */
    uint64_t switches;    /* times a goroutine was put on a hart */
    uint64_t preemptions; /* times one was taken off against its will */
    uint64_t steals;      /* successful steals by this P … */
    uint64_t stolen_gs;   /* … and the goroutines they brought */
    uint64_t ipis_sent;   /* inter-processor interrupts sent and received */
    uint64_t ipis_received;
    uint64_t wakeups;     /* idle harts woken to look for work */
    uint64_t parks;       /* times a hart went idle holding this P */
    uint64_t global_gets; /* goroutines taken from the global queue */
    uint64_t idle_ns;     /* time without anything to run */
    uint64_t timer_fires; /* timers that fired here */
};

/*
 * Memory, in bytes, exact: the world is stopped while it is read, caches are emptied, and pages in
 * which no object is left are free. An object counts with all of its size class, as
 * malloc_usable_size tells. What is in none of heap_inuse, heap_idle and stack_sys is the runtime's
 * own: goroutines' descriptors, page tables, tables of the heap, timers. Go: runtime.MemStats.
 */
struct runtime_mem_stats {
    uint64_t alloc;       /* of objects that have not been freed */
    uint64_t total_alloc; /* of all objects ever, and what realloc added to them in place */
    uint64_t sys;         /* of all memory taken over, but for a few pages set aside */
    uint64_t mallocs;     /* objects made … */
    uint64_t frees;       /* … and freed: as many live as the difference */
    uint64_t heap_inuse;  /* of pages that hold objects */
    uint64_t heap_idle;   /* of free pages */
    uint64_t stack_inuse; /* of pages of goroutines' stacks, the scheduler's own among them … */
    uint64_t stack_sys;   /* … and of dead goroutines' stacks that are kept for new ones */
};
/* Any goroutine that is not in a blocking section. */
void runtime_read_mem_stats(struct runtime_mem_stats *);

/*
 * A trace of what every goroutine, hart and P does, from now on (docs/trace.md; pinion.trace begins one at
 * boot). 0, or -1: errno EBUSY, there is one already, or ENOMEM, no memory for the rings. It ends with
 * runtime_trace_stop, which writes it out, 0 also if there is none, or with the run. Both stop the
 * world for a moment. Any goroutine that is not in a blocking section. Go: trace.Start, trace.Stop.
 */
int runtime_trace_start(void);
int runtime_trace_stop(void);

/*
 * What the program itself says in a trace. Strings are copied, 1000 bytes at most, of a category 100. Any
 * goroutine, in a blocking section too. Where there is no trace all of them do next to nothing.
 *
 * A task is work that several goroutines may have a part in, and its number is for them to pass on; 0: none.
 * runtime_trace_task_begin returns the number of a new one, whether there is a trace or not. parent: the task
 * that it is part of, or 0. Go: trace.NewTask, Task.End.
 */
uint32_t runtime_trace_task_begin(uint32_t parent, const char *type);
void runtime_trace_task_end(uint32_t task);
/* A stretch of this goroutine's run, part of a task or of none. The end has the beginning's words; regions of
 * a goroutine nest. Go: trace.StartRegion, Region.End. */
void runtime_trace_region_begin(uint32_t task, const char *type);
void runtime_trace_region_end(uint32_t task, const char *type);
/* Go: trace.Log. */
void runtime_trace_log(uint32_t task, const char *category, const char *message);

/* Sums over all Ps. */
void runtime_read_sched_stats(struct runtime_sched_stats *);
/* One P's; false: there is no P of that number. */
bool runtime_read_p_stats(int p, struct runtime_sched_stats *);

/*
 * ---- profiles ----
 *
 * A profile is a set of stacks with counts. It leaves the machine over the console, in lines of text on
 * a stream of its own, when it is written; tools/pinion-run makes a file of it that `go tool pprof`
 * opens, tools/pinion-profile does so from the log of a serial line. docs/profiles.md says more.
 *
 * All of these: any goroutine that is not in a blocking section, preemption on.
 */

/*
 * Begins to sample, hz times a second (1 to 10000; 100 is usual), what each hart that is awake is at,
 * until runtime_cpu_profile_stop, which writes the profile "cpu". Takes 128 KiB a hart, kept for the
 * next. -1: errno EINVAL, hz is none; EBUSY, it is on already; ENOMEM. Go: pprof.StartCPUProfile.
 */
int runtime_cpu_profile_start(int hz);
/* Does nothing if it is not on. Go: pprof.StopCPUProfile. */
void runtime_cpu_profile_stop(void);

/*
 * From now on one object in so many bytes of what is allocated goes into the profile "heap", on average,
 * with who asked for it; 1: each; 0: no more. From the first call on malloc and free are slower, for as
 * long as the program runs. What it has allocated before is not in it. -1: errno EINVAL, bytes < 0; ENOMEM; ENOSYS, this board's malloc is not ours.
 * Go: runtime.MemProfileRate, which is 512 KiB from the start.
 */
int runtime_set_mem_profile_rate(int bytes);

/*
 * From now on waits for a mutex or an rwmutex go into the profile "mutex", with who ended them: an unlock
 * or, for a writer, the runlock of the last reader. Of those that end waits one in n is kept, at random,
 * and counts for n; 1: each; 0: none; n < 0: as it was. Returns what n was before.
 * -1: errno ENOMEM. Go: runtime.SetMutexProfileFraction.
 */
int runtime_set_mutex_profile_fraction(int n);

/*
 * From now on the waits of goroutines go into the profile "block": in channels, selects, and all that is
 * in sync.h, but no sleeps: each of ns nanoseconds or more, of shorter ones a sample, one for ns waited;
 * 1: each; 0 or less: none. What counts is the time until the goroutine runs again. Stops the world for
 * a moment; who waits at that moment is left out. 0, or -1: errno ENOMEM. Go: runtime.SetBlockProfileRate.
 */
int runtime_set_block_profile_rate(int ns);

/*
 * Writes a profile as of now. "goroutine": all goroutines, by stack; the harts stand still meanwhile.
 * "heap": objects and bytes allocated, and those not freed, estimated from the samples. "mutex" and
 * "block": waits and their time. -1: errno EINVAL, there is no profile of that name, or it has never been on; ENOMEM. Go: pprof.Lookup(name).WriteTo.
 */
int runtime_profile_write(const char *name);
