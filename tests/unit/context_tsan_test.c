// with: sched/context.c -DPINION_UNIT_TEST -Dcalloc=unit_calloc -Dfree=unit_free -DLARGE=5000 -DROUNDS=200 -pthread -fno-sanitize=all -fsanitize=thread
/* context_test.c once more, under ThreadSanitizer: no access is unordered that should be ordered. */
#include "tests/unit/context_test.c"
