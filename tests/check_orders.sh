#!/bin/sh
# Every C11 memory order in the rooms (and each use of sched/atomic.h) has its reason: on the same line or in the five above it a
# comment names a hand-off of docs/memory-order.md (O1, O2 …) or begins a reason with `order:` or
# `relaxed:`. One reason serves the orders of the statements right below it, as long as each stands
# within five lines of the reason or of another order that has one. Prints file and line of each that has
# none; exit 1 if any.
cd "$(dirname "$0")/.." || exit 1

find arch boot kernel sched -name '*.[chS]' 2>/dev/null | sort | xargs awk '
    FNR == 1 { reason = -100 }
    /(^|[^A-Za-z0-9_])O[0-9]+/ || /([Rr]elaxed|[Oo]rder):/ { reason = FNR }
    FILENAME != "sched/atomic.h" && /memory_order_|(load|store)_(relaxed|acquire|release)\(/ {
        if (FNR - reason > 5) {
            printf "%s:%d: a memory order without a reason: %s\n", FILENAME, FNR, $0
            wrong = 1
        } else
            reason = FNR
    }
    END { exit wrong }'
