/*
 * timechan: what the tests of timers' and tickers' channels share.
 */
#pragma once
#include "check.h"

static inline bool empty(chan *c)
{
    int64_t v = 77;
    bool got = chan_try_recv(c, &v, NULL);
    CHECK(got || v == 77);
    return !got;
}

static inline int64_t receive(chan *c)
{
    int64_t v = 0;
    CHECK(chan_recv(c, &v));
    CHECK(v <= time_now());
    return v;
}

static inline int64_t reset_to(timer *t, duration d, bool was_active)
{
    int64_t due = time_now() + d;
    CHECK(timer_reset(t, d) == was_active);
    return due;
}

static inline struct select_case from(chan *c, int64_t *v)
{
    return (struct select_case){c, SELECT_RECV, v, false};
}
