/*
 * sieve: the first 100 primes by a row of goroutines, one for each prime. The first sends 2, 3, 4 …;
 * each of the others keeps the first number that reaches it, which is prime, and passes on what
 * that does not divide. Shows: goroutines as building blocks, channels as the wires between them.
 *
 *     numbers ─▶ 2 ─▶ 3 ─▶ 5 ─▶ … ─▶ main
 */
#include <pinion.h>
#include <stdio.h>

#define PRIMES 100

struct filter {
    chan *in, *out;
    int prime;
};

static chan *wire(void)
{
    chan *c = chan_make(sizeof(int), 0);
    if (c == NULL)
        runtime_panic("no memory for a channel");
    return c;
}

static void start(void (*fn)(void *), void *arg)
{
    if (go(fn, arg) < 0)
        runtime_panic("no memory for a goroutine");
}

static void numbers(void *out)
{
    for (int i = 2;; i++)
        chan_send(out, &i);
}

static void filter(void *arg)
{
    struct filter *f = arg;
    for (int n;;) {
        chan_recv(f->in, &n);
        if (n % f->prime != 0)
            chan_send(f->out, &n);
    }
}

int main(void)
{
    static struct filter filters[PRIMES];
    chan *c = wire();
    start(numbers, c);
    for (int i = 0; i < PRIMES; i++) {
        int prime;
        chan_recv(c, &prime);
        printf("%d%s", prime, i % 10 == 9 ? "\n" : " ");
        filters[i] = (struct filter){c, wire(), prime};
        start(filter, &filters[i]);
        c = filters[i].out;
    }
    return 0; /* and all of them are gone */
}
