/*
 * runq: a P's ring with its owner and two thieves, across the wrap of head and tail.
 *
 * Mirrors sched/runq.h: runq_put, runq_get; sched/runq.c: runq_put_tail, runq_overflow, runq_grab (T1
 * to T5) and runq_steal. R1, R2, R3 of runq.h; O1 and O2 of docs/memory-order.md; trap 34.
 *
 * The ring is full. Its owner spawns one goroutine more and runs what it finds in ring and global
 * queue, in any order. One thief steals from the owner, the other from the owner or from the first,
 * once each; they run what they have got. The ring has SIZE slots and its numbers are bytes that start
 * at 254, so they wrap on the way. R2's remark holds: there are no 256 takes in a run.
 *
 * A step is one access to what others write; what only the owner writes, tail and slots, it reads in
 * the same step. One goroutine, any, is marked; that the others are alike loses nothing, for which
 * one is marked is open. A slot whose goroutine has been taken is wiped: who reads it afterwards has
 * lost his swap, or is in error. Not here: runnext and runq_empty's second look, and what makes a thief
 * come.
 *
 * Orders: a step stays where it is written. A mutant exchanges the two that an order keeps apart.
 *
 * Safety: none runs twice, a full ring holds SIZE in the owner's eyes (R3), and none is lost: the
 * owner would be stuck at the end. Liveness: all have run.
 */
// check:  none_runs_twice_none_is_lost = safety
// check:  everybody_runs = all_run
// mutant: TAIL_FIRST, stuck = safety: O1: tail is stored before the slot
// mutant: COPY_LATE, assertion = safety: O2: the slots are copied after head has moved (T5, T4)
// mutant: READ_LATE, assertion = safety: O2: the owner reads its slot after head has moved
// mutant: PLAIN_TAKE, assertion = safety: R2: the owner moves head by a store
// mutant: NO_FULL, stuck = safety: R3: a put does not ask whether the ring is full
#define SIZE   4
#define FIRST  4 /* are in the ring already */
#define GS     5
#define STEALS 1 /* a thief comes so often */
#define PS     3 /* 0 is the owner's; 1 and 2 are thieves' */

byte head[PS] = 254, tail[PS] = 254;
byte slot[PS * SIZE];
byte spawned, done;
byte ran, global[3]; /* the global queue has a lock, and here no order */
bool marked, begun;

#define NONE   0
#define PLAIN  1
#define MARKED 2

#define AT(p, i)  slot[(p) * SIZE + (i) % SIZE]
#define LEN(t, h) (((t) - (h)) & 255)

#ifdef NO_FULL
#define IS_FULL(p, h) false
#else
#define IS_FULL(p, h) (LEN(tail[p], h) >= SIZE)
#endif

#if defined(READ_LATE) || defined(COPY_LATE)
#define WIPE(p, i) skip
#else
#define WIPE(p, i) AT(p, i) = NONE
#endif

#define CLAIM /* T5, O2: release */ \
    if \
    :: atomic { \
           head[v] == h -> WIPE(v, h); \
           if \
           :: n > 1 -> WIPE(v, h + 1) \
           :: else -> skip \
           fi; \
           head[v] = h + n \
       } \
    :: atomic { \
           head[v] != h -> WIPE(_pid, tail[_pid]); \
           WIPE(_pid, tail[_pid] + 1); \
           i = 0; h = 0; n = 0; \
           goto again \
       } \
    fi

inline execute(g)
{
    atomic {
        assert(g != NONE);
        done++;
        ran = ran + (g == MARKED);
        assert(ran <= 1 && done <= GS && (done < GS || ran == 1));
        g = NONE
    }
}

/* runq_put, and while the ring is full runq_overflow. head only grows: what was free stays so. */
inline put_tail(p, g)
{
    do
    :: atomic {
           !IS_FULL(p, head[p]) -> /* O2: acquire */
#ifdef TAIL_FIRST
           tail[p] = tail[p] + 1
       };
       atomic { AT(p, tail[p] + 255) = g; g = NONE; break }
#else
           AT(p, tail[p]) = g
       };
       atomic { tail[p] = tail[p] + 1; g = NONE; break } /* O1: release */
#endif
    :: atomic { IS_FULL(p, head[p]) -> h = head[p]; assert(LEN(tail[p], h) == SIZE) }; /* R3 */
       if
       :: atomic {
              head[p] == h -> /* the batch was read before: its slots are the owner's to write */
              global[AT(p, h)]++;
              global[AT(p, h + 1)]++;
              global[g]++;
              WIPE(p, h);
              WIPE(p, h + 1);
              head[p] = h + SIZE / 2;
              g = NONE; h = 0; break
          }
       :: atomic { head[p] != h -> h = 0 }
       fi
    od
}

/* runq_get. Nobody else writes tail and slots, so but for head its reads are one with the step before. */
inline get(p, g)
{
    atomic { h = head[p]; g = 0 };
    do
    :: atomic { h == tail[p] -> h = 0; break }
    :: atomic { else -> g = AT(p, h) };
#ifdef PLAIN_TAKE
       atomic { head[p] = h + 1; h = 0; break }
#elif defined(READ_LATE)
       if
       :: atomic { head[p] == h -> head[p] = h + 1 }; atomic { g = AT(p, h); h = 0; break }
       :: atomic { head[p] != h -> h = head[p] }
       fi
#else
       if
       :: atomic { head[p] == h -> WIPE(p, h); head[p] = h + 1; h = 0; break }
       :: atomic { head[p] != h -> h = head[p]; g = 0 }
       fi
#endif
    od
}

inline spawn(g)
{
    spawned++;
    if
    :: marked || spawned < GS -> g = PLAIN
    :: !marked -> g = MARKED; marked = true
    fi
}

active proctype owner()
{
    byte g, h;
    atomic { /* the first are there already, and the numbers about to wrap */
        do
        :: tail[0] != (254 + FIRST) % 256 -> spawn(g); AT(0, tail[0]) = g; tail[0] = tail[0] + 1
        :: else -> begun = true; g = NONE; break
        od
    };
    do
    :: atomic { spawned < GS -> spawn(g) }; put_tail(0, g)
    :: head[0] != tail[0] ->
       get(0, g);
       if
       :: g != 0 -> execute(g)
       :: else -> skip
       fi
    :: atomic { global[PLAIN] > 0 -> global[PLAIN]--; g = PLAIN }; execute(g)
    :: atomic { global[MARKED] > 0 -> global[MARKED]--; g = MARKED }; execute(g)
    :: spawned == GS && done == GS -> break
    od
}

/* runq_steal; what it has got it runs, all of it, before it steals again: its ring is empty then. */
active [2] proctype thief()
{
    byte g, h, n, i, v, steals;
    begun;
    do
    :: steals == STEALS || done == GS -> break
    :: steals < STEALS && done < GS ->
       atomic {
           steals++;
           if
           :: v = 0
           :: _pid == 2 -> v = 1
           fi
       };
again:
       h = head[v];                                                     /* T1 */
       atomic { i = LEN(tail[v], h); n = i - i / 2; i = 0 }; /* T2, O1: acquire; T3 */
       if
       :: atomic { n > SIZE / 2 -> goto again } /* R3 */
       :: atomic { n == 0 -> h = 0 }
       :: n > 0 && n <= SIZE / 2 ->
#ifdef COPY_LATE
          CLAIM;
#endif
          do
          :: atomic { i < n -> AT(_pid, tail[_pid] + i) = AT(v, h + i); i++ } /* T4 */
          :: atomic { i == n -> i = 0; break }
          od;
#ifndef COPY_LATE
          CLAIM;
#endif
          atomic { g = AT(_pid, tail[_pid] + n - 1); WIPE(_pid, tail[_pid] + n - 1); h = 0; v = 0 };
          atomic { tail[_pid] = tail[_pid] + n - 1; n = 0 }; /* O1: release */
          do
          :: g != NONE -> execute(g); get(_pid, g)
          :: else -> break
          od
       fi;
       v = 0
    od
}

ltl all_run { <> (done == GS) }
