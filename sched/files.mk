SRCS += sched/proc.c
SRCS += sched/park.c
SRCS += sched/global.c
SRCS += sched/pinned.c
SRCS += sched/runq.c
SRCS += sched/idle.c
SRCS += sched/g.c
SRCS += sched/chunk.c
SRCS += sched/defer.c
SRCS += sched/panic.c
SRCS += sched/cache.c
SRCS += sched/malloc.c
SRCS += sched/heap_check.c
SRCS += sched/memstats.c
SRCS += sched/timer.c
SRCS += sched/trace.c
SRCS += sched/tracing.c
SRCS += sched/tracetail.c
SRCS += sched/traceout.c
SRCS += sched/annotation.c
SRCS += sched/alarm.c
SRCS += sched/timechan.c
SRCS += sched/lot.c
SRCS += sched/mutex.c
SRCS += sched/lockorder.c
SRCS += sched/rwmutex.c
SRCS += sched/waitgroup.c
SRCS += sched/chan.c
SRCS += sched/select.c
SRCS += sched/once.c
SRCS += sched/cond.c
SRCS += sched/semaphore.c
SRCS += sched/pool.c
SRCS += sched/errgroup.c
SRCS += sched/context.c
SRCS += sched/arena.c
SRCS += sched/stats.c
SRCS += sched/fatal.c
SRCS += sched/crash.c
SRCS += sched/leakcheck.c
SRCS += sched/reach.c
SRCS += sched/traceback.c
SRCS += sched/trap.c
SRCS += sched/libc.c
SRCS += sched/init.c
SRCS += sched/freeze.c
SRCS += sched/preempt.c
SRCS += sched/world.c
SRCS += sched/section.c
SRCS += sched/sysmon.c
SRCS += sched/wired.c
SRCS += sched/line.c
SRCS += sched/schedtrace.c
SRCS += sched/scheddetail.c
SRCS += sched/chaos.c
SRCS += sched/quit.c
SRCS += sched/monitor.c
SRCS += sched/monitor_show.c
SRCS += sched/profile.c
SRCS += sched/profile_cpu.c
SRCS += sched/profile_g.c
SRCS += sched/profile_heap.c
SRCS += sched/profile_mutex.c
SRCS += sched/profile_block.c

# Who may touch floating-point registers, for what programs hand over in them.
FLOATS += sched/panic.c

COLD += $(addprefix sched/,tracing.c tracetail.c traceout.c memstats.c stats.c fatal.c traceback.c libc.c init.c freeze.c \
        line.c schedtrace.c scheddetail.c crash.c leakcheck.c reach.c lockorder.c chaos.c \
        context.c errgroup.c wired.c sysmon.c world.c chunk.c defer.c \
        profile.c profile_cpu.c profile_g.c profile_heap.c profile_mutex.c profile_block.c \
        quit.c monitor.c monitor_show.c)

# newlib's, and our malloc: the host has a C library of its own, and its console a shell.
ifeq ($(ARCH),host)
SRCS := $(filter-out sched/libc.c sched/cache.c sched/malloc.c sched/heap_check.c sched/memstats.c \
    sched/profile_heap.c sched/reach.c sched/quit.c sched/monitor.c sched/monitor_show.c,$(SRCS))
endif
