/*
 * thirds: spends 70, 20 and 10 % of its time in three functions, round by round. Its words: how many
 * turns of a loop a round has, how many rounds a goroutine goes, and how many goroutines. Says how many
 * nanoseconds it took, which with ICOUNT=1 are instructions.
 */
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>

static waitgroup wg;
static unsigned long turns, rounds;

static inline __attribute__((always_inline)) void spin(unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        __asm__ volatile("");
}

static __attribute__((noinline)) void seventy(void)
{
    spin(turns * 7 / 10);
}

static __attribute__((noinline)) void twenty(void)
{
    spin(turns * 2 / 10);
}

static __attribute__((noinline)) void ten(void)
{
    spin(turns / 10);
}

static __attribute__((noinline)) void work(void *unused)
{
    (void)unused;
    for (unsigned long i = 0; i < rounds; i++) {
        seventy();
        twenty();
        ten();
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 1;
    turns = strtoul(argv[1], NULL, 10);
    rounds = strtoul(argv[2], NULL, 10);
    int64_t begin = time_now();
    for (long n = strtol(argv[3], NULL, 10); n > 0; n--)
        waitgroup_go(&wg, work, NULL);
    waitgroup_wait(&wg);
    printf("%lld\n", (long long)(time_now() - begin));
}
