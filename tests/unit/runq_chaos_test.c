// with: -DPINION_UNIT_TEST -DCHAOS -DOPS=1000000u -pthread
/* runq_test.c once more, with threads that stop now and then between any two loads. */
#include "tests/unit/runq_test.c"
