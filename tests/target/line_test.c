/*
 * line_test: lines of several writers (trap 31). What comes out is for tests/list to judge: it must
 * be whole lines, all of them.
 */
#include "check.h"

#define WRITERS 8
#define LINES   100

static void write_lines(void *which)
{
    for (int i = 0; i < LINES; i++)
        if (i % 2)
            printf("writer %d says %d: %s\n", (int)(intptr_t)which, i,
                   "a longer sentence than that");
        else
            printf("writer %d says %d: %.3f\n", (int)(intptr_t)which, i, i / 8.0);
}

int main(void)
{
    in_parallel(WRITERS, write_lines);
    return 0;
}
