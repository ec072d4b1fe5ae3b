/*
 * pool: buffers from an object pool against buffers from malloc. Every goroutine takes one, writes
 * into it and gives it back, many times. Shows: pool_get, pool_put, once, and what it saves; how many
 * objects the pool had to make for all of them.
 */
#include <pinion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKERS 16
#define ROUNDS  2000
#define SIZE    1024

static _Atomic int made;

static void *make_buffer(void)
{
    atomic_fetch_add(&made, 1);
    return malloc(SIZE);
}

static pool buffers = {.new = make_buffer, .drop = free};

static void *from_malloc(void)
{
    return malloc(SIZE);
}

static void *from_pool(void)
{
    return pool_get(&buffers);
}

static void to_pool(void *buffer)
{
    pool_put(&buffers, buffer);
}

static const struct source {
    const char *name;
    void *(*take)(void);
    void (*give)(void *);
} sources[] = {{"malloc", from_malloc, free}, {"pool", from_pool, to_pool}};

static void work(void *arg)
{
    const struct source *s = arg;
    for (int i = 0; i < ROUNDS; i++) {
        char *buffer = s->take();
        if (buffer == NULL)
            runtime_panic("out of memory");
        snprintf(buffer, SIZE, "%d", i);
        s->give(buffer);
    }
}

int main(void)
{
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        waitgroup wg = {0};
        int64_t from = time_now();
        for (int k = 0; k < WORKERS; k++)
            if (waitgroup_go(&wg, work, (void *)&sources[i]) < 0)
                runtime_panic("go: out of memory");
        waitgroup_wait(&wg);
        printf("%-6s %6lld ns a round\n", sources[i].name,
               (long long)((time_now() - from) / (WORKERS * ROUNDS)));
    }
    printf("the pool made %d buffers for %d rounds\n", made, WORKERS * ROUNDS);
    return 0;
}
