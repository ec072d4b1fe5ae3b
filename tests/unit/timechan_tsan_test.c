// with: sched/timechan.c sched/timer.c sched/chan.c sched/select.c sched/alarm.c -DPINION_UNIT_TEST -pthread -fno-sanitize=all -fsanitize=thread -Wno-tsan
/* timechan_test.c once more, under ThreadSanitizer: no access is unordered that should be ordered. */
#include "tests/unit/timechan_test.c"
