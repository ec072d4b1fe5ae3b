/*
 * search: which courses of a scenario are run, and what is said of them.
 *
 * For each model of memory:
 *   1  a few random courses, for the locations that several harts use to show; again until no new ones do
 *   2  all courses with one deviation, then all with two, three: as far as they number no more than
 *      ALL_MAX, or are not going to. `whole to 2` says so: nothing was left out within that bound
 *   3  courses that are sampled from the rest: of one that has N choices, two to five are taken at
 *      random and deviate; every choice is equally likely to be among them (as PCT does with
 *      priorities, Burckhardt and others 2010)
 *   4  courses that deviate at random all the time, by much or by little
 * Each model by itself is searched the same way in each run of the explorer.
 *
 * A failed course is made smaller: deviations are taken out one by one as long as it fails. To see
 * its steps the search is made again, which comes to the same course, and that is printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tests/explore/engine.h"

#define SCENARIOS   100
#define CHOICES_MAX 40000
#define LEARN       40 /* random courses before the first search, and after each that shows more */
#define ALL_MAX     20000 /* courses of one bound that are run through */
#define SAMPLES     4000
#define RANDOMS     1000
#define BOUND_MAX   3

static const struct scenario *scenarios[SCENARIOS];
static unsigned n_scenarios;

static const char *const mode_names[MODES] = {"sc", "tso", "weak"};

void explore_add(const struct scenario *s)
{
    if (n_scenarios == SCENARIOS)
        abort();
    scenarios[n_scenarios++] = s;
}

/* ---- a course's choices ---- */

struct choice {
    uint8_t ways, way;
};

static struct {
    struct choice at[CHOICES_MAX];
    unsigned n;
    unsigned given;  /* so many at its beginning are not free: at[i].way says */
    uint32_t chance; /* of a deviation after them, in 65536 */
    uint64_t random;
    unsigned courses; /* of this scenario and mode */
} search KEPT;

static uint32_t random_below(uint32_t n)
{
    uint64_t x = search.random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    search.random = x;
    return (uint32_t)((x >> 32) * n >> 32);
}

unsigned choose(unsigned ways)
{
    if (!open_ || ways < 2)
        return 0;
    unsigned i = search.n++;
    if (i == CHOICES_MAX)
        explore_fail("no end after %u choices", CHOICES_MAX);
    struct choice *c = &search.at[i];
    if (i >= search.given)
        c->way = search.chance > 0 && random_below(65536) < search.chance
                     ? (uint8_t)(1 + random_below(ways - 1))
                     : 0;
    if (c->way >= ways) /* sampled; or the course is another now by what was taken out of it */
        c->way = (uint8_t)(ways - 1);
    c->ways = (uint8_t)ways;
    return c->way;
}

static const char *run(const struct scenario *s, enum mode m, unsigned given, uint32_t chance)
{
    search.n = 0;
    search.given = given;
    search.chance = chance;
    search.courses++;
    return course_run(s, m);
}

/* ---- the kinds of search. Each: what was wrong, or NULL ---- */

static const char *learn(const struct scenario *s, enum mode m)
{
    const char *wrong;
    learning = true;
    do {
        for (int i = 0; i < LEARN; i++)
            if ((wrong = run(s, m, 0, 65536u >> (1 + i % 8))) != NULL)
                return wrong;
    } while (memory_settle());
    learning = false;
    return NULL;
}

static unsigned deviations_before(unsigned i)
{
    unsigned n = 0;
    while (i-- > 0)
        n += search.at[i].way != 0;
    return n;
}

/* From the last course to the next with at most `bound` deviations: the last choice that may. Its place,
 * or -1: there is none. Courses with fewer come again with each bound; they are few. */
static int next_within(unsigned bound)
{
    unsigned before = deviations_before(search.n);
    for (int i = (int)search.n - 1; i >= 0; i--) {
        struct choice *c = &search.at[i];
        before -= c->way != 0;
        if (c->way + 1u < c->ways && before < bound) {
            c->way++;
            return i;
        }
    }
    return -1;
}

enum verdict { ALL, CUT, FAILED };

static unsigned percent(const struct scenario *s)
{
    return s->sampled == 0 ? 100 : s->sampled;
}

static enum verdict run_through(const struct scenario *s, enum mode m, unsigned bound,
                                const char **wrong)
{
    unsigned begun = search.courses;
    int at = -1;
    do {
        if ((*wrong = run(s, m, (unsigned)(at + 1), 0)) != NULL)
            return FAILED;
        if (search.courses - begun > ALL_MAX / 100 * percent(s))
            return CUT;
    } while ((at = next_within(bound)) >= 0);
    return ALL;
}

static const char *sample(const struct scenario *s, enum mode m, unsigned n)
{
    const char *wrong = run(s, m, 0, 0);
    unsigned length = search.n;
    for (unsigned i = 0; i < n && wrong == NULL && length > 0; i++) {
        /* What a deviation leads to may have more choices than the ordinary course. */
        unsigned reach = length + length / 4 + 1;
        memset(search.at, 0, reach * sizeof(search.at[0]));
        for (unsigned d = 2 + i % 4; d > 0; d--)
            search.at[random_below(reach)].way = (uint8_t)(1 + (random_below(4) == 0));
        wrong = run(s, m, reach, 0);
    }
    return wrong;
}

static const char *at_random(const struct scenario *s, enum mode m, unsigned n)
{
    const char *wrong = NULL;
    for (unsigned i = 0; i < n && wrong == NULL; i++)
        wrong = run(s, m, 0, 65536u >> (1 + i % 8));
    return wrong;
}

static const char *search_mode(const struct scenario *s, enum mode m, unsigned *whole)
{
    const char *wrong;
    *whole = 0;
    search.courses = 0;
    search.random = 88172645463325252u;
again:
    if ((wrong = learn(s, m)) != NULL)
        return wrong;
    double last = 1, expected = 0;
    for (unsigned bound = 1; bound <= BOUND_MAX && expected <= ALL_MAX / 100 * percent(s);
         bound++) {
        unsigned begun = search.courses;
        enum verdict v = run_through(s, m, bound, &wrong);
        if (v == FAILED)
            return wrong;
        if (memory_settle())
            goto again;
        if (v == CUT)
            break;
        *whole = bound;
        /* n, n²/2, n³/6 … */
        unsigned now = search.courses - begun;
        expected = now * (now / last) * bound / (bound + 1);
        last = now;
    }
    if ((wrong = sample(s, m, SAMPLES * percent(s) / 100)) == NULL)
        wrong = at_random(s, m, RANDOMS * percent(s) / 100);
    return wrong;
}

/* ---- a failed course ---- */

static const char *shrink(const struct scenario *s, enum mode m)
{
    static struct choice kept[CHOICES_MAX] KEPT;
    unsigned n = search.n;
    memcpy(kept, search.at, n * sizeof(kept[0]));
    for (unsigned i = n; i-- > 0;) {
        if (kept[i].way == 0)
            continue;
        memcpy(search.at, kept, n * sizeof(kept[0]));
        search.at[i].way = 0;
        if (run(s, m, n, 0) != NULL) {
            n = search.n;
            memcpy(kept, search.at, n * sizeof(kept[0]));
        }
    }
    memcpy(search.at, kept, n * sizeof(kept[0]));
    return run(s, m, n, 0);
}

static void tell(const struct scenario *s, enum mode m, bool trace)
{
    static char wrong[400] KEPT;
    const char *said = shrink(s, m);
    snprintf(wrong, sizeof(wrong), "%s", said != NULL ? said : "it does not come again");
    printf("FAILS: %s\n    with", wrong);
    for (unsigned i = 0; i < search.n; i++)
        if (search.at[i].way != 0)
            printf(" %u:%u", i, search.at[i].way);
    printf(" of %u choices; the steps: make explore REPLAY=%s/%s\n", search.n, s->name,
           mode_names[m]);
    tracing = trace;
    if (trace)
        run(s, m, search.n, 0);
    tracing = false;
}

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

static bool explore(const struct scenario *s, enum mode m, bool trace)
{
    memory_forget();
    unsigned whole;
    double from = now();
    const char *wrong = search_mode(s, m, &whole);
    printf("%-60s %-4s %7u %5u %5.1f  ", s->name, mode_names[m], search.courses, whole,
           now() - from);
    if (wrong != NULL)
        tell(s, m, trace);
    else
        printf("holds\n");
    if (trace && wrong == NULL) { /* then at least the ordinary course */
        tracing = true;
        run(s, m, 0, 0);
        tracing = false;
    }
    fflush(stdout);
    return wrong == NULL;
}

/* ---- the command: explore [--first] [--trace] [NAME[/MODE]] … ---- */

static bool wanted(const char *word, const struct scenario *s, enum mode m)
{
    char full[120];
    size_t n = (size_t)snprintf(full, sizeof(full), "%s/%s", s->name, mode_names[m]);
    return strncmp(word, full, strlen(word)) == 0 &&
           (strlen(word) == n || strlen(word) == strlen(s->name));
}

static bool asked_for(int argc, char **argv, const struct scenario *s, enum mode m)
{
    bool any = false, this = false;
    for (int i = 1; i < argc; i++)
        if (argv[i][0] != '-') {
            any = true;
            this |= wanted(argv[i], s, m);
        }
    return this || !any;
}

static bool option(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    bool trace = option(argc, argv, "--trace"), first = option(argc, argv, "--first");
    unsigned holds = 0, fails = 0;
    snapshot_take();
    for (unsigned i = 0; i < n_scenarios; i++) {
        for (enum mode m = 0; m < MODES && !(first && fails > 0); m++) {
            if (!asked_for(argc, argv, scenarios[i], m) || (m == WEAK && scenarios[i]->not_weak))
                continue;
            memory_forget();
            bool good = explore(scenarios[i], m, trace);
            holds += good;
            fails += !good;
        }
    }
    printf("%u hold, %u fail\n", holds, fails);
    return fails > 0 || holds == 0;
}
