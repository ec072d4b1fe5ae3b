/*
 * chan.h: channels and select. Go's counterparts: chan T and the select statement, with their
 * semantics, corner cases included. Waiting parks the goroutine, never the hart, and takes no
 * memory. Goroutines only.
 *
 * A channel carries elements of one size, fixed when it is made; they are copied in and out. What a
 * sender wrote before it sent is visible to the receiver of that element, and what a closer wrote
 * before it closed to who finds the channel closed.
 *
 * There is no collector: whoever knows that nobody uses a channel any more frees it.
 *
 * The channels of timers and tickers (time.h) can only be received from, and say 0 to len and cap.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

typedef struct chan chan;

/*
 * A channel for elements of elem_size bytes that buffers cap of them; both may be 0. With cap 0 send
 * and receive meet: neither returns before the other has come. NULL, and errno: ENOMEM, or EINVAL
 * (no address space is that large).
 */
chan *chan_make(size_t elem_size, size_t cap);
/* NULL is fine. With goroutines waiting on it: "panic: free of channel with waiters". */
void chan_free(chan *);

/*
 * Sends the element at elem, which may be NULL if elements have no size. Waits while the buffer is
 * full. Closed, or closed while it waits: "panic: send on closed channel". On NULL: for ever.
 */
void chan_send(chan *, const void *elem);
/*
 * Receives into *elem; elem NULL: drops it. Waits while there is nothing. false: closed and
 * drained, *elem is zeroed. On NULL: waits for ever.
 */
bool chan_recv(chan *, void *elem);

/* As chan_send, if that need not wait; false: it would, nothing has happened. NULL: false. */
bool chan_try_send(chan *, const void *elem);
/* As chan_recv, if that need not wait; *ok (ok may be NULL) is its result. NULL: false. */
bool chan_try_recv(chan *, void *elem, bool *ok);

/*
 * No more sends. What is buffered can still be received; all who wait are woken. "panic: close of
 * closed channel", "panic: close of nil channel".
 */
void chan_close(chan *);

/* Elements in the buffer, a moment ago; and how many it holds. NULL: 0. */
size_t chan_len(const chan *);
size_t chan_cap(const chan *);

enum select_dir { SELECT_SEND, SELECT_RECV };

struct select_case {
    chan *c;             /* NULL: this case never goes */
    enum select_dir dir; /* what to do with it, and … */
    void *elem;          /* … with which element, as for chan_send and chan_recv */
    bool ok;             /* set if this case goes and receives: chan_recv's result */
};

/* Cases of a select at most. */
#define SELECT_CASES_MAX 65536

/*
 * Does one of n cases, chosen with equal chances among those that can go, and returns its index. If
 * none can: -1 at once, or if block, waits until one has gone; with no case to wait for, for ever.
 * A channel may be in several cases. A send chosen on a closed channel panics as chan_send does. More
 * cases than SELECT_CASES_MAX panic; so do more than 64 with "runtime: out of memory" if there is
 * none to note them in.
 */
int chan_select(struct select_case *cases, int n, bool block);
