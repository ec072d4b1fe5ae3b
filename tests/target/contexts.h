/*
 * contexts: what the tests of context.h share.
 */
#pragma once
#include <stdatomic.h>
#include "check.h"
#include "settle.h"

#define CANCELED 1
#define EXCEEDED 2

/* 0: it is not cancelled; and done says the same as err, asked after it and before. */
static inline int state(context *c)
{
    bool ok = true, before = chan_try_recv(context_done(c), NULL, &ok);
    const char *err = context_err(c);
    CHECK(!before || (err != NULL && !ok));
    CHECK(err == NULL || chan_try_recv(context_done(c), NULL, &ok));
    if (err == NULL)
        return 0;
    CHECK(!ok);
    if (strcmp(err, "context canceled") == 0)
        return CANCELED;
    CHECK(strcmp(err, "context deadline exceeded") == 0);
    return EXCEEDED;
}

/* A child of each kind in turn; none of their deadlines comes. */
static inline context *child_of(context *parent, int kind)
{
    static const int key;
    context *c = kind % 4 == 0   ? context_with_cancel(parent)
                 : kind % 4 == 1 ? context_with_timeout(parent, HOUR)
                 : kind % 4 == 2 ? context_with_deadline(parent, time_now() + 2 * HOUR)
                                 : context_with_value(parent, &key, NULL);
    CHECK(c != NULL);
    return c;
}

static inline context *root(int kind)
{
    return child_of(context_background(), kind);
}

static _Atomic int awake;

static inline void wait_for_done(void *c)
{
    CHECK(!chan_recv(context_done(c), NULL));
    CHECK_EQ(state(c), CANCELED);
    atomic_fetch_add(&awake, 1);
}
