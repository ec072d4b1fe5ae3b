/*
 * messages: goroutines that do nothing but talk, over channels of several sizes, by send and receive, by
 * select with a time limit, and by select over two. Each message is counted before it is sent and after
 * it is received; it carries its sender's number and its own, so none comes twice or out of order.
 */
#include "soak.h"

static const size_t caps[CHANNELS] = {0, 1, 7, 64, 3};
static chan *channels[CHANNELS];
static waitgroup senders, receivers;
static uint32_t first_seed;

struct message {
    uint32_t from, number;
    uint64_t twin; /* of both: an element is never torn, nor half copied */
};

static struct message message_of(uint32_t from, uint32_t number)
{
    return (struct message){from, number, ~((uint64_t)from << 32 | number)};
}

/* true: it went. A time limit is a select. */
static bool send_one(chan *c, const struct message *m, uint32_t how)
{
    if (how % 4 != 0) {
        chan_send(c, m);
        return true;
    }
    chan *late = time_after(1 + how % (200 * MICROSECOND));
    struct select_case cases[] = {{c, SELECT_SEND, (void *)m, false},
                                  {late, SELECT_RECV, NULL, false}};
    CHECK(late != NULL, "no memory for a timer");
    bool sent = chan_select(cases, 2, true) == 0;
    chan_free(late);
    return sent;
}

static void sender(void *which)
{
    uint32_t me = (uint32_t)(uintptr_t)which, rng = first_seed * 31 + me * 2654435761u + 1,
             number = 0;
    chan *c = channels[me % CHANNELS];
    while (gate_pass()) {
        struct message m = message_of(me, number + 1);
        count(&n.begun, 1);
        count(&n.in_send, 1);
        bool sent = send_one(c, &m, random_next(&rng));
        count(&n.in_send, -1);
        number += sent;
        count(&n.given_up, !sent);
    }
    waitgroup_done(&senders);
    leave();
}

/* How many of each sender's messages have come. */
static struct heard {
    mutex mu;
    uint32_t n; /* mu */
} heard[CHANNELS * TALKERS];

/* Each receiver may have one in hand that it has not counted; so a message that is further ahead has
 * passed another, or another is lost. (One may be any number behind: its receiver was held up here.) */
static void check_message(const struct message *m)
{
    CHECK(m->from < CHANNELS * TALKERS && m->twin == message_of(m->from, m->number).twin,
          "a message is broken: %lu from %lu", (unsigned long)m->number, (unsigned long)m->from);
    struct heard *h = &heard[m->from];
    mutex_lock(&h->mu);
    h->n++;
    CHECK(m->number < h->n + TALKERS, "message %lu of sender %lu is the %lu. that came",
          (unsigned long)m->number, (unsigned long)m->from, (unsigned long)h->n);
    mutex_unlock(&h->mu);
}

/* false: closed. Some listen by a select, on a channel that never speaks too. */
static bool receive_one(chan *c, struct message *m, uint32_t how)
{
    struct select_case cases[] = {{NULL, SELECT_RECV, NULL, false}, {c, SELECT_RECV, m, false}};
    if (how % 4 != 0)
        return chan_recv(c, m);
    return chan_select(cases, 2, true) == 1 && cases[1].ok;
}

static void receiver(void *which)
{
    uint32_t me = (uint32_t)(uintptr_t)which, rng = first_seed * 37 + me * 2654435761u + 1;
    chan *c = channels[me % CHANNELS];
    struct message m;
    for (bool open = true; open;) {
        gate_pass(); /* they stay to the last message */
        count(&n.in_receive, 1);
        open = receive_one(c, &m, random_next(&rng));
        count(&n.in_receive, -1);
        if (!open)
            break;
        count(&n.received, 1);
        check_message(&m);
    }
    waitgroup_done(&receivers);
    leave();
}

void messages_start(uint32_t seed)
{
    first_seed = seed;
    for (int i = 0; i < CHANNELS; i++) {
        channels[i] = chan_make(sizeof(struct message), caps[i]);
        CHECK(channels[i] != NULL, "no memory for a channel");
    }
    for (uint32_t i = 0; i < CHANNELS * TALKERS; i++) {
        heard[i].n = 0;
        waitgroup_add(&senders, 1);
        waitgroup_add(&receivers, 1);
        start(NULL, sender, (void *)(uintptr_t)i);
        start(NULL, receiver, (void *)(uintptr_t)i);
    }
}

long messages_buffered(void)
{
    long all = 0;
    for (int i = 0; i < CHANNELS; i++)
        all += (long)chan_len(channels[i]);
    return all;
}

void messages_end(void)
{
    waitgroup_wait(&senders);
    for (int i = 0; i < CHANNELS; i++)
        chan_close(channels[i]);
    waitgroup_wait(&receivers);
    CHECK(messages_buffered() == 0, "%ld messages are left in closed channels",
          messages_buffered());
    for (int i = 0; i < CHANNELS; i++)
        chan_free(channels[i]);
}
