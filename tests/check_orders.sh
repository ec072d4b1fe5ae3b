#!/bin/sh
# Every memory order in the rooms has its reason: on its line or in the four above it a comment names
# a hand-off of docs/memory-order.md (O1, O2 …) or says why after `relaxed…:` or `order…:`. That goes
# for C11's memory_order_… and for the short forms of sched/atomic.h, which itself only defines them.
# Prints file and line of each that has none; exit 1 if any.
cd "$(dirname "$0")/.." || exit 1

find arch boot kernel sched -name '*.[chS]' ! -path sched/atomic.h 2>/dev/null | sort | xargs awk '
    FNR == 1 { reason = -100 }
    /(^|[^A-Za-z0-9_])O[0-9]+/ || /([Rr]elaxed|[Oo]rder)[^:;()]*:/ { reason = FNR }
    /memory_order_/ || /(^|[^A-Za-z0-9_])(load|store|cas)_(relaxed|acquire|release|acq_rel)(_weak)?\(|fence_full\(/ {
        if (FNR - reason > 4) {
            printf "%s:%d: a memory order without a reason: %s\n", FILENAME, FNR, $0
            wrong = 1
        }
    }
    END { exit wrong }'
