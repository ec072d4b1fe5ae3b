/*
 * context.h: contexts: one word, stop, for all goroutines that work on the same thing, with a
 * deadline, and values that go with the work. Go's counterpart: package context, with its
 * semantics.
 *
 * Contexts are a tree. To cancel one cancels all below it, each once: the first cause stays. All
 * functions may be called from goroutines only, from any number of them at once.
 *
 * There is no collector. Each context_with_… hands out one reference, and context_free, the last
 * call with that context by anyone, gives it back: first cancel, then wait for who uses the
 * context, or its channel, then free it. Parents and children may be freed in any order.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <pinion/chan.h>
#include <pinion/time.h>

typedef struct context context;

/* The root of all: is never cancelled, has no deadline and no values. To cancel or to free it does
 * nothing. */
context *context_background(void);

/*
 * A child of parent; cancelled from birth, with parent's cause, if parent is cancelled. NULL: errno
 * ENOMEM, and nothing has happened. parent NULL: "panic: cannot create context from nil parent".
 */
context *context_with_cancel(context *parent);
/*
 * The same with a deadline, a time as time_now has it; with_timeout: d from now. Then it is
 * cancelled: "context deadline exceeded"; at once if it is not in the future. A parent's earlier
 * deadline stays; one past the end of time is cut.
 */
context *context_with_deadline(context *parent, int64_t when);
context *context_with_timeout(context *parent, duration d);
/*
 * The same with a value, to be found by key, an address that nobody else uses: that of a static
 * variable. The value is the caller's. key NULL: "panic: nil key". In Go such a context cannot be
 * cancelled by itself, here it can, as any other.
 */
context *context_with_value(context *parent, const void *key, void *value);

/* Cancels it and all below; when it returns, all of them are, whoever has done it. Those who wait
 * on their channels are woken. Takes no memory. */
void context_cancel(context *);
/* Cancels it, then drops the caller's reference. What its children need of it, values too, stays
 * until they are freed themselves. NULL is fine. */
void context_free(context *);

/*
 * Nothing is ever sent on it; it is closed when the context is cancelled. The same at each call,
 * the context's own: not to be closed, freed, or used after the context. The background's is NULL,
 * which blocks for ever.
 */
chan *context_done(context *);
/* Why it is cancelled: "context canceled" or "context deadline exceeded". NULL: it is not. Says the
 * same as done at any moment. */
const char *context_err(context *);

/* true: it has a deadline, its own or one from above; *when (when may be NULL) is the earliest. */
bool context_deadline(context *, int64_t *when);
/* The value of the nearest context, itself or above, that was made with key; NULL: none was. */
void *context_value(context *, const void *key);
