/*
 * soak: everything at once, for as long as it takes: channels, selects with time limits, locks, timers,
 * memory, stacks, harts of one's own, blocking sections, changes of gomaxprocs. Once a second all come to
 * rest, and the laws are looked at:
 *
 *   L1  goroutines: spawned = finished + alive, and the runtime counts as many alive: as its counters
 *       have it, and as its list has it
 *   L2  messages: begun = received + buffered + given up + under way
 *   L3  pages: total = free + heap + stacks + the rest, all of them counted by their owners, and the rest
 *       (descriptors, tables, timers' heaps) does not grow for ever
 *   L4  heap: objects made = freed + the soak's own + a few of the runtime's, which do not grow either
 *   L5  what locks guard is what was counted (deeds.c)
 *   L6  nothing is queued anywhere, and every hart but ours sleeps
 *
 * A line a second says what was found; what is broken ends the run with 1.
 *
 *     ARGS="SECONDS [SEED]"    5 s by default
 */
#include "soak.h"
#include "kernel/page.h"
#include "kernel/stack.h"
#include "sched/chunk.h"
#include "sched/malloc.h"

struct counts n;
_Atomic bool gate_shut, closing;
static struct {
    mutex mu;
    cond open;
} gate = {.open = {.l = &gate.mu}};

bool gate_pass(void)
{
    if (atomic_load(&gate_shut)) {
        mutex_lock(&gate.mu);
        count(&n.at_gate, 1);
        while (atomic_load(&gate_shut))
            cond_wait(&gate.open);
        count(&n.at_gate, -1);
        mutex_unlock(&gate.mu);
    }
    return !atomic_load(&closing);
}

void gate_open(void)
{
    mutex_lock(&gate.mu);
    atomic_store(&gate_shut, false);
    cond_broadcast(&gate.open);
    mutex_unlock(&gate.mu);
}

void start(const struct go_attr *attr, void (*fn)(void *), void *arg)
{
    count(&n.spawned, 1);
    CHECK((attr != NULL ? go_with(attr, fn, arg) : go(fn, arg)) > 0, "no memory for a goroutine");
}

void leave(void)
{
    count(&n.finished, 1);
}

/* ---- at rest */

/* Nothing is queued, and all harts but this one sleep (L6). relaxed, all: at rest they stay. */
static bool machine_rests(void)
{
    bool rests = load_relaxed(&sched.global_n) == 0 &&
                 (uint32_t)__builtin_popcountll(load_relaxed(&sched.idle_m)) + 1 == sched.n_m;
    for (uint32_t i = 0; i < sched.n_m && rests; i++) {
        struct p *p = sched.p[i];
        rests = runq_empty(&p->runq) && p->pinned_head == NULL && load_relaxed(&p->inbox) == NULL &&
                load_relaxed(&p->pinbox) == NULL;
    }
    return rests;
}

/* Waits until nothing moves. */
static void come_to_rest(void)
{
    int64_t until = time_now() + PATIENCE;
    atomic_store(&gate_shut, true);
    while (n.at_gate + n.in_send + n.in_receive != CREW || n.spawned - n.finished != CREW ||
           !machine_rests()) {
        CHECK(time_now() < until,
              "no rest: of %d, %ld are at the gate, %ld send, %ld receive; %ld alive", CREW,
              (long)n.at_gate, (long)n.in_send, (long)n.in_receive, n.spawned - n.finished);
        time_sleep(50 * MICROSECOND);
    }
}

static void count_live(struct g *g, void *live)
{
    (void)g;
    ++*(long *)live;
}

static void check_goroutines(long alive)
{
    long listed = 0;
    preempt_off(); /* nobody else runs: it needs no more than that */
    g_each(count_live, &listed);
    preempt_on();
    CHECK(n.spawned == n.finished + alive, "spawned %ld, finished %ld, alive %ld", (long)n.spawned,
          (long)n.finished, alive);
    CHECK(runtime_numgoroutine() == alive + 1, "numgoroutine is %d, alive %ld and main",
          runtime_numgoroutine(), alive);
    CHECK(listed == alive + 1, "%ld goroutines are listed, alive %ld and main", listed, alive);
}

static void check_messages(void)
{
    long buffered = messages_buffered(), under_way = n.in_send;
    CHECK(n.begun == n.received + buffered + n.given_up + under_way,
          "messages: begun %ld, received %ld, buffered %ld, given up %ld, under way %ld",
          (long)n.begun, (long)n.received, buffered, (long)n.given_up, under_way);
}

/* What the runtime has for itself, by how it was when first looked at. */
#define SLACK_PAGES   ((long)64)
#define SLACK_OBJECTS ((long)128)

static void check_memory(bool first)
{
    static long rest_first, objects_first;
    struct runtime_mem_stats s;
    runtime_read_mem_stats(&s);
    long total = (long)page_count_total(), free_pages = (long)page_count_free();
    long heap = (long)(s.heap_inuse / PAGE_SIZE), stacks = (long)stack_pages();
    long rest = total - free_pages - heap - stacks;
    long objects = (long)(s.mallocs - s.frees) - n.blocks;
    if (first)
        rest_first = rest, objects_first = objects;
    CHECK((long)(s.heap_idle / PAGE_SIZE) == free_pages,
          "%ld pages are free, and %ld by the statistics", free_pages,
          (long)(s.heap_idle / PAGE_SIZE));
    CHECK(rest >= 0 && rest < rest_first + SLACK_PAGES,
          "pages: total %ld, free %ld, heap %ld, stacks %ld, the rest %ld, at first %ld", total,
          free_pages, heap, stacks, rest, rest_first);
    CHECK(objects >= 0 && objects < objects_first + SLACK_OBJECTS,
          "heap: %ld objects that are not the soak's, at first %ld", objects, objects_first);
    CHECK((long)s.alloc >= n.bytes, "heap: %ld bytes, of which %ld are the soak's", (long)s.alloc,
          (long)n.bytes);
    printf("spawned %ld, alive %ld; messages %ld, buffered %ld; deeds %ld; objects %ld and %ld; "
           "pages %ld = %ld free + %ld heap + %ld stacks + %ld\n",
           (long)n.spawned, n.spawned - n.finished, (long)n.received, messages_buffered(),
           (long)n.deeds, (long)n.blocks, objects, total, free_pages, heap, stacks, rest);
}

static void check_all(int64_t began, bool first)
{
    printf("%5.1f s: ", (double)(time_now() - began) / (double)SECOND);
    check_goroutines(CREW);
    check_messages();
    deeds_check();
    check_memory(first);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int64_t seconds = argc > 1 ? atoll(argv[1]) : 5, began = time_now();
    uint32_t seed = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : (uint32_t)began | 1;
    fprintf(stderr, "soak: %lld seconds, seed %lu\n", (long long)seconds, (unsigned long)seed);
    messages_start(seed);
    deeds_start(seed);
    for (int64_t i = 1; time_now() < began + seconds * SECOND; i++) {
        time_sleep(SECOND);
        come_to_rest();
        check_all(began, i == 1);
        gate_open();
    }
    atomic_store(&closing, true);
    messages_end();
    int64_t until = time_now() + PATIENCE;
    while (runtime_numgoroutine() != 1) {
        CHECK(time_now() < until, "%d goroutines are left", runtime_numgoroutine());
        time_sleep(MILLISECOND);
    }
    CHECK(n.spawned == n.finished, "spawned %ld, finished %ld", (long)n.spawned, (long)n.finished);
    CHECK(n.begun == n.received + n.given_up, "begun %ld, received %ld, given up %ld",
          (long)n.begun, (long)n.received, (long)n.given_up);
    CHECK(n.blocks == 0 && n.bytes == 0, "%ld blocks are left", (long)n.blocks);
    deeds_check();
    printf("soaked for %lld s\n", (long long)((time_now() - began) / SECOND));
    return 0;
}
