/*
 * pipeline: numbers go through stages that run side by side. One goroutine makes them, several
 * square them (fan-out: they share one channel), and what each of these sends is brought together in
 * one channel (fan-in), which main sums up. Shows: close as the end of a stream, a wait group that
 * closes the last channel, chan_recv's result as the loop's condition.
 *
 *                ┌─▶ square ─┐
 *     numbers ───┼─▶ square ─┼─▶ main
 *                └─▶ square ─┘
 */
#include <pinion.h>
#include <stdio.h>

#define NUMBERS  1000
#define SQUARERS 4

static chan *numbers, *squares;
static waitgroup squarers;

static void count(void *unused)
{
    (void)unused;
    for (long i = 1; i <= NUMBERS; i++)
        chan_send(numbers, &i);
    chan_close(numbers);
}

static void square(void *unused)
{
    long n;
    (void)unused;
    while (chan_recv(numbers, &n)) {
        long result = n * n;
        chan_send(squares, &result);
    }
}

static void close_when_done(void *unused)
{
    (void)unused;
    waitgroup_wait(&squarers);
    chan_close(squares);
}

int main(void)
{
    numbers = chan_make(sizeof(long), 16);
    squares = chan_make(sizeof(long), 16);
    if (numbers == NULL || squares == NULL || go(count, NULL) < 0)
        runtime_panic("out of memory");
    for (int i = 0; i < SQUARERS; i++)
        if (waitgroup_go(&squarers, square, NULL) < 0)
            runtime_panic("out of memory");
    if (go(close_when_done, NULL) < 0)
        runtime_panic("out of memory");
    long sum = 0, n;
    while (chan_recv(squares, &n))
        sum += n;
    printf("sum of the squares of 1 … %d: %ld\n", NUMBERS, sum);
    return 0;
}
