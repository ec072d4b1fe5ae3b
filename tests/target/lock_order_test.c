/*
 * lock_order_test: mutexes in debug images (MODE=debug), where the order of locks is watched. The argument
 * chooses; what must and must not be said stands in tests/list.
 */
#include "check.h"

static mutex a, b, c;
static mutex many[1500];

static void lock_two(mutex *first, mutex *second)
{
    mutex_lock(first);
    mutex_lock(second);
    mutex_unlock(second);
    mutex_unlock(first);
}

static __attribute__((noinline)) void a_then_b(void *unused)
{
    (void)unused;
    mutex_lock(&a);
    mutex_lock(&b);
    mutex_unlock(&b);
    mutex_unlock(&a);
}

static __attribute__((noinline)) void b_then_a(void *unused)
{
    (void)unused;
    mutex_lock(&b);
    mutex_lock(&a);
    mutex_unlock(&a);
    mutex_unlock(&b);
}

static void inversion(void)
{
    for (int i = 0; i < 10; i++) {
        apart(a_then_b, NULL);
        apart(b_then_a, NULL);
    }
}

static void circle_of_three(void)
{
    lock_two(&a, &b);
    lock_two(&b, &c);
    lock_two(&c, &a);
}

static void one_order(void)
{
    for (int i = 0; i < 10; i++) {
        apart(a_then_b, NULL);
        lock_two(&b, &c);
        lock_two(&a, &c);
    }
}

/* The same address is another mutex's after a free. */
static void memory_used_again(void)
{
    for (int i = 0; i < 100; i++) {
        mutex *pair = calloc(2, sizeof(mutex));
        CHECK(pair != NULL);
        lock_two(&pair[i % 2], &pair[1 - i % 2]);
        lock_two(&pair[i % 2], &a);
        lock_two(&b, &pair[i % 2]);
        free(pair);
    }
    lock_two(&a, &b);
}

static void unlock(void *m)
{
    mutex_unlock(m);
}

/* What another goroutine has unlocked is no longer held. */
static void unlocked_by_another(void)
{
    mutex_lock(&a);
    apart(unlock, &a);
    mutex_lock(&b);
    mutex_lock(&a);
    mutex_unlock(&a);
    mutex_unlock(&b);
}

static void broadcast_with_b(void *c_)
{
    mutex_lock(&b);
    mutex_lock(&a);
    cond_broadcast(c_);
    mutex_unlock(&a);
    mutex_unlock(&b);
}

/* Nor what a wait for a condition has let go; c is locked anew after b. */
static void let_go_by_a_wait(void)
{
    cond changed = {.l = &a};
    waitgroup end = {0};
    mutex_lock(&a);
    CHECK(waitgroup_go(&end, broadcast_with_b, &changed) > 0);
    cond_wait(&changed);
    mutex_unlock(&a);
    waitgroup_wait(&end);
}

static void a_try_cannot_wait(void)
{
    lock_two(&a, &b);
    mutex_lock(&b);
    CHECK(mutex_try_lock(&a));
    mutex_unlock(&a);
    mutex_unlock(&b);
}

static _Atomic int hold_one;

static void lock_and_meet(mutex *first, mutex *second)
{
    mutex_lock(first);
    hold_one++;
    while (hold_one < 2)
        runtime_gosched();
    mutex_lock(second);
}

static void meet_b(void *unused)
{
    (void)unused;
    lock_and_meet(&b, &a);
}

/* It is told before it happens. */
static void deadlock_today(void)
{
    go(meet_b, NULL);
    lock_and_meet(&a, &b);
}

static void too_many(void)
{
    for (int i = 0; i + 1 < 1500; i++)
        lock_two(&many[i], &many[i + 1]);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } ways[] = {{"inversion", inversion},
                {"circle_of_three", circle_of_three},
                {"one_order", one_order},
                {"memory_used_again", memory_used_again},
                {"unlocked_by_another", unlocked_by_another},
                {"let_go_by_a_wait", let_go_by_a_wait},
                {"a_try_cannot_wait", a_try_cannot_wait},
                {"deadlock_today", deadlock_today},
                {"too_many", too_many}};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        if (argc > 1 && strcmp(argv[1], ways[i].name) == 0) {
            ways[i].fn();
            return 0;
        }
    return 1;
}
