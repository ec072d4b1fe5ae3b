/*
 * objects: allocates in three places, by all harts: `keeps` 48 bytes at a time, 24 MB of it, and keeps
 * all; `drops` 192 bytes, 24 MB, and frees each at once; `passes_on` 100 KB, 40 MB, of which half is
 * freed by another goroutine.
 */
#include <pinion.h>
#include <stdlib.h>

#define PARTS 4
#define MB    1000000

static waitgroup wg;
static void *_Atomic kept;
static chan *handed;

static __attribute__((noinline)) void keeps(void *unused)
{
    (void)unused;
    for (int i = 0; i < 24 * MB / 48 / PARTS; i++) {
        void **x = malloc(48);
        *x = NULL;
        kept = x;
    }
}

static __attribute__((noinline)) void drops(void *unused)
{
    (void)unused;
    for (int i = 0; i < 24 * MB / 192 / PARTS; i++) {
        void *volatile x = calloc(1, 192);
        free(x);
    }
}

static __attribute__((noinline)) void passes_on(void *unused)
{
    (void)unused;
    for (int i = 0; i < 400 / PARTS; i++) {
        void *x = malloc(100000);
        chan_send(handed, &x);
    }
}

static void frees_half(void *unused)
{
    (void)unused;
    void *x;
    for (int i = 0; i < 400; i++) {
        chan_recv(handed, &x);
        if (i % 2 == 0)
            free(x);
    }
}

int main(void)
{
    handed = chan_make(sizeof(void *), 8);
    waitgroup_go(&wg, frees_half, NULL);
    for (int i = 0; i < PARTS; i++) {
        waitgroup_go(&wg, keeps, NULL);
        waitgroup_go(&wg, drops, NULL);
        waitgroup_go(&wg, passes_on, NULL);
    }
    waitgroup_wait(&wg);
}
