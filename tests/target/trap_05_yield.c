/*
 * trap_05_yield: a goroutine that another hart may take has its registers saved (trap 5).
 *
 * Short crowds of goroutines that do nothing but count and yield; harts without work steal from those
 * that have some. A goroutine's count is in a register of its own and in memory. If it could be taken
 * between its place in the queue and the last store of its context, the thief would go on with the
 * registers of its stop before that one: the count in the register is an old one, and two harts are on
 * one stack. So who finds it so keeps still, and main reports it, which never yields itself.
 */
#include "tests/stress/stress.h"

#define CROWD  8
#define YIELDS 40
#define ROUNDS 500

static _Atomic uint32_t in_memory[CROWD], ended;
static _Atomic uint32_t counted, said; /* found to differ: in memory, in the register; + 1 */

static void count_and_yield(void *which)
{
    _Atomic uint32_t *count = &in_memory[(uintptr_t)which];
    for (uint32_t i = 0; i < YIELDS; i++) {
        uint32_t seen = *count;
        if (seen != i) {
            counted = seen + 1;
            said = i + 1;
            for (;;)
                continue;
        }
        *count = i + 1;
        runtime_gosched();
    }
    ended++;
}

int main(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        ended = 0;
        for (uintptr_t i = 0; i < CROWD; i++) {
            in_memory[i] = 0;
            CHECK(go(count_and_yield, (void *)i) > 0, "go failed");
        }
        SPIN_UNTIL(ended == CROWD || said != 0, "%lu of %d have ended", (unsigned long)ended,
                   CROWD);
        CHECK(said == 0, "two harts on one stack: a goroutine that has counted to %lu is at %lu",
              (unsigned long)counted - 1, (unsigned long)said - 1);
    }
    return 0;
}
