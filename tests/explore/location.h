/*
 * location: where atomic accesses go, for memory.c: see location.c.
 */
#pragma once
#include "tests/explore/engine.h"

#define SHARED   512
#define MESSAGES 8 /* of a location that are remembered; power of two */
#define FUTURES  4 /* values of a location that a late load may guess */

struct view {
    uint32_t clock[HARTS_MAX];
    uint16_t oldest[SHARED]; /* by a location's number */
};

struct message {
    uint64_t value;
    const struct view *carries; /* NULL: nothing */
};

struct loc {
    uintptr_t at;
    uint8_t size;
    uint8_t harts;      /* that have used it, in any course: a set */
    uint8_t changers;   /* those of them that have read and modified it at once */
    uint8_t changed_by; /* the same, as of the last settling */
    bool anew;          /* a plain write came last */
    int16_t no;         /* in views; -1: one hart's */
    uint32_t course;    /* in which its messages were made */
    uint16_t newest;    /* number of the newest message */
    uint16_t floor;     /* of the oldest that there is */
    struct message row[MESSAGES];
    uint64_t future[FUTURES]; /* what harts have stored; the first n_future may be guessed */
    uint8_t n_future, n_stored;
};

extern unsigned n_shared;      /* locations that have a number */
extern uint32_t memory_course; /* the number of this course */
extern bool locs_grown;        /* memory_settle has something to do */

/* The location of an access, begun; it is noted who uses it. */
struct loc *loc_find(uintptr_t at, unsigned size);
/* The one whose first byte is there, or NULL. */
struct loc *loc_at(uintptr_t at);
/* May one be within the eight bytes from there? */
bool loc_near(uintptr_t at);
/* Its row begins with what stands in memory. */
void loc_begin(struct loc *l);
/* What stands in memory there. */
uint64_t loc_value(const struct loc *l);
struct message *loc_newest(struct loc *l);
/* Of a value of all of l, the bytes that an access is for. */
uint64_t loc_part(const struct loc *l, uint64_t value, uintptr_t at, unsigned size);
