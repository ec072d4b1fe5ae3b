// with: sched/runq.c -DPINION_UNIT_TEST -DOPS=400000u -pthread -fno-sanitize=all -fsanitize=thread
/* runq_test.c once more, under ThreadSanitizer: no access is unordered that should be ordered. */
#include "tests/unit/runq_test.c"
