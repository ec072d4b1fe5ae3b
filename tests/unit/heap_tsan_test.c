// with: kernel/page.c kernel/size_class.c kernel/span.c kernel/central.c sched/cache.c sched/malloc.c sched/memstats.c sched/heap_check.c -DPINION_UNIT_TEST -DOPS=6000 -no-pie -fno-pie -pthread -fno-sanitize=all -fsanitize=thread
/* heap_test.c once more, under ThreadSanitizer: what passes from P to P is ordered. */
#include "tests/unit/heap_test.c"
