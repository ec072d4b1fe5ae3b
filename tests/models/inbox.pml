/*
 * inbox: goroutines pushed by anyone at any instruction, taken whole, and the bit that tells of them.
 *
 * Mirrors sched/runq.c: inbox_put, inbox_take; sched/proc.c: attend, is_special, and the thief's look
 * at a victim's inbox in steal_from. O4 of docs/memory-order.md; traps 1, 2 and 34.
 *
 * Two senders push goroutines: the first two of them, one after the other, the second one; then the
 * first sets another bit of the word, as ask does with ATTN_STOP. The owner runs goroutines of its own
 * for ever and looks at its attention between them, as sched_next does. A thief may take the
 * inbox once. The stack is kept as in the code: a top, and each goroutine's link.
 *
 * A step is one access to a shared word. Reversing what was taken is the taker's own (one step).
 * The interrupt that makes a busy owner come to its scheduler is slice.pml's and idle.pml's.
 *
 * Safety: whom the box holds is taken once, and the first sender's two in their order unless two
 * different harts take them. Liveness: everybody pushed runs, with a thief or without; the other bit
 * is attended to.
 */
// check:  each_is_taken_once_in_order = safety
// check:  all_pushed_run = all_run
// mutant: LOOK_FIRST, cycle = all_run: trap 1: the inbox is taken, then the bit is cleared
// mutant: BIT_FIRST, cycle = all_run: O4: the bit is set before the push
// mutant: PLAIN_CLEAR, cycle = all_run: the bits are read, then set to 0
// mutant: PLAIN_BIT, cycle = all_run: a bit is set by a load and a store
// mutant: PLAIN_PUSH, assertion = all_run: the push is a load and a store
// mutant: ONE_BY_ONE, assertion = safety: one is popped by a compare-and-swap with its link (ABA)
#define GS        3
#define ATTN_INBOX 1
#define ATTN_STOP  2

byte top, link[GS + 1], attention;
bool taken[GS + 1], ran[GS + 1], by_owner[GS + 1], stop_seen;

inline set_bit(b)
{
#ifdef PLAIN_BIT
    bits = attention;
    attention = bits | b
#else
    attention = attention | b
#endif
}

/* inbox_put */
inline put(g)
{
#ifdef BIT_FIRST
    set_bit(ATTN_INBOX);
#endif
    old = top;
    do
    :: link[g] = old;
#ifdef PLAIN_PUSH
       top = g;
       break
#else
       if
       :: atomic { top == old -> top = g; old = 0; break } /* O4: release */
       :: atomic { top != old -> old = top }
       fi
#endif
    od;
#ifndef BIT_FIRST
    set_bit(ATTN_INBOX) /* O4: release */
#endif
}

/* Whoever holds g, taken out, runs it. */
inline execute(g, owns)
{
    assert(!ran[g]);
    ran[g] = true;
    by_owner[g] = owns;
    assert(g != 1 || !ran[2] || by_owner[2] != owns)
}

/* inbox_take: exchanged for nothing, and turned round: oldest first. */
inline take(owns)
{
#ifdef ONE_BY_ONE
    do
    :: list = top;
       if
       :: list == 0 -> break
       :: else -> rest = link[list];
          if
          :: atomic { top == list -> top = rest; execute(list, owns) }
          :: atomic { top != list -> skip }
          fi
       fi
    od;
    list = 0;
    rest = 0
#else
    atomic { list = top; top = 0 }; /* O4: acquire */
    atomic {
        first = 0;
        do
        :: list != 0 -> rest = link[list]; link[list] = first; first = list; list = rest
        :: else -> break
        od;
        do
        :: first != 0 -> execute(first, owns); first = link[first]
        :: else -> break
        od
    }
#endif
}

active proctype sender_of_two()
{
    byte old, bits;
    put(1);
    put(2);
    set_bit(ATTN_STOP)
}

active proctype sender_of_one()
{
    byte old, bits;
    put(3)
}

active proctype owner()
{
    byte bits, list, rest, first;
end:
    do
    :: attention != 0 -> /* is_special */
#ifdef LOOK_FIRST
       take(true);
       atomic { bits = attention; attention = 0 };
#elif defined(PLAIN_CLEAR)
       bits = attention;
       attention = 0;
#else
       atomic { bits = attention; attention = 0 }; /* attend. O4: acquire */
#endif
#ifndef LOOK_FIRST
       if
       :: bits & ATTN_INBOX -> take(true)
       :: else -> skip
       fi;
#endif
       atomic { stop_seen = stop_seen || (bits & ATTN_STOP); bits = 0 }
    od
}

active proctype thief()
{
    byte list, rest, first;
    if
    :: take(false)
    :: skip
    fi
}

ltl all_run { <> (ran[1] && ran[2] && ran[3] && stop_seen) }
