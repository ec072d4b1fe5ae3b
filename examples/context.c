/*
 * context: searches that are called off. Four workers look for a number, each among its own; all of
 * them watch one channel, their context's. The first search is over when one of them has found what
 * was wanted, the second when its time is up, the third when the day is over of which it is a part.
 * Shows: context_with_cancel, context_with_timeout below it, context_with_value for what goes with
 * the work, context_done in a select, context_err in a loop; workers that stop when they are told
 * to, and that are waited for before anything is freed.
 */
#include <pinion.h>
#include <stdio.h>

#define WORKERS 4

static const char search_name; /* its address is the key */

struct search {
    context *ctx;
    long wanted; /* the number of steps to 1 that a number should have */
    chan *found;
};

static long collatz_steps(unsigned long n)
{
    long steps = 0;
    for (; n != 1; steps++)
        n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    return steps;
}

struct part {
    struct search *search;
    long first;
};

/* Says it with the name of the search: who has the context need not be told. */
static void say(context *ctx, const char *what)
{
    printf("%s: %s\n", (const char *)context_value(ctx, &search_name), what);
}

/* Every fourth number, until one is right or the search is over. */
static void look(void *arg)
{
    struct part *part = arg;
    struct search *s = part->search;
    for (long n = part->first; context_err(s->ctx) == NULL; n += WORKERS)
        if (collatz_steps((unsigned long)n) == s->wanted) {
            struct select_case cases[] = {{context_done(s->ctx), SELECT_RECV, NULL, false},
                                          {s->found, SELECT_SEND, &n, false}};
            chan_select(cases, 2, true); /* what comes first: to be heard, or not to be needed */
            return;
        }
}

/* Starts the workers, waits for the first result or for the end, and then for the workers. */
static void run(struct search *s)
{
    struct part parts[WORKERS];
    waitgroup workers = {0};
    long n;
    for (int i = 0; i < WORKERS; i++) {
        parts[i] = (struct part){s, 1 + i};
        if (waitgroup_go(&workers, look, &parts[i]) < 0)
            runtime_panic("out of memory");
    }
    struct select_case cases[] = {{context_done(s->ctx), SELECT_RECV, NULL, false},
                                  {s->found, SELECT_RECV, &n, false}};
    if (chan_select(cases, 2, true) == 1) {
        say(s->ctx, collatz_steps((unsigned long)n) == s->wanted ? "found" : "wrong");
        context_cancel(s->ctx);
    }
    waitgroup_wait(&workers);
    say(s->ctx, context_err(s->ctx));
}

static void search(context *parent, char *name, long wanted, duration limit)
{
    context *timed = context_with_timeout(parent, limit);
    context *named = timed != NULL ? context_with_value(timed, &search_name, name) : NULL;
    struct search s = {named, wanted, chan_make(sizeof(long), 0)};
    if (named == NULL || s.found == NULL)
        runtime_panic("out of memory");
    run(&s);
    chan_free(s.found);
    context_free(named);
    context_free(timed);
}

static void end_the_day(void *day)
{
    context_cancel(day);
}

int main(void)
{
    context *day = context_with_cancel(context_background());
    if (day == NULL)
        runtime_panic("out of memory");
    search(day, "search 1", 100, HOUR);
    search(day, "search 2", 100000, 50 * MILLISECOND); /* no number that is met has so many steps */
    timer *evening = time_after_func(50 * MILLISECOND, end_the_day, day);
    if (evening == NULL)
        runtime_panic("out of memory");
    search(day, "search 3", 100000, HOUR);
    search(day, "search 4", 1, HOUR); /* too late */
    timer_free(evening);
    context_free(day);
    return 0;
}
