#!/bin/sh
# Who may name whom: every #include "room/…" and <pinion…> of the tree is held against this table.
#
#   room, or one file of it; may include
TABLE='
include      include
sched        sched include kernel arch/arch.h
kernel       kernel include arch/arch.h
arch         arch include
arch/arch.h  tests/unit/port.h tests/explore/port.h
boot         boot sched kernel arch include
board        board kernel include arch/arch.h
board/host/console.c sched/sched.h
board/host/malloc.c  sched/cache.h sched/g.h sched/malloc.h sched/proc.h sched/profile_heap.h sched/reach.h sched/sched.h
examples     include
tests        tests boot sched kernel arch board include
'
# Public headers (include/) are named <pinion.h> or <pinion/…>; of the ports, arch.h alone names more
# than one. Prints each offending line; exit 1 if any.
cd "$(dirname "$0")/.." || exit 1

find arch board boot examples include kernel sched tests -name '*.[chS]' 2>/dev/null | sort |
    xargs awk -v table="$TABLE" '
    BEGIN {
        n = split(table, lines, "\n")
        for (i = 1; i <= n; i++) {
            m = split(lines[i], words, " ")
            for (j = 2; j <= m; j++) may[words[1], words[j]] = 1
        }
    }
    /^[ \t]*#[ \t]*include[ \t]*["<]/ {
        room = FILENAME
        sub("/.*", "", room)
        name = $0
        sub("^[^\"<]*[\"<]", "", name)
        sub("[\">].*", "", name)
        if ($0 ~ /<pinion[.\/]/) target = "include"
        else if (name ~ /^(arch|board|boot|kernel|sched|tests|include|examples)\//) {
            target = name
            sub("/.*", "", target)
        } else if ($0 ~ /</ || name !~ /\//) next # the C library, libfdt, or a file beside this one
        else target = name
        if ((FILENAME, name) in may) next
        if ((room, target) in may || (room, name) in may) {
            # One port knows nothing of another.
            if (room == "arch" && name ~ /^arch\/[a-z0-9]+\// && FILENAME ~ /^arch\/[a-z0-9]+\//) {
                split(FILENAME, own, "/"); split(name, other, "/")
                if (own[2] == other[2]) next
            } else next
        }
        printf "%s:%d: %s may not include this: %s\n", FILENAME, FNR, room, $0
        wrong = 1
    }
    END { exit wrong }'
