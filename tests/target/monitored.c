/*
 * What tests/monitor_test.py looks at: goroutines in states that are known, and then one of
 *
 *     idle        main sleeps, most of the time
 *     spin N      N goroutines that never call anything
 *     flood       a goroutine for each hart that prints without end
 *     read        main prints what it reads, as it comes: `read LINE`, with bytes below blank as \xNN
 *     stuck       main waits for ever: a deadlock
 *
 * until a line `over`, or its end, is read, or for a second argument's seconds. Its exit value is 3.
 */
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static chan *nobody_sends, *full, *either;
static mutex held;

static void receive(void *unused)
{
    long v;
    (void)unused;
    chan_recv(nobody_sends, &v);
}

static void send(void *unused)
{
    long v = 1;
    (void)unused;
    for (;;)
        chan_send(full, &v);
}

static void choose(void *unused)
{
    long v;
    struct select_case cases[] = {{.c = either, .dir = SELECT_RECV, .elem = &v},
                                  {.c = nobody_sends, .dir = SELECT_RECV, .elem = &v}};
    (void)unused;
    chan_select(cases, 2, true);
}

static void lock(void *unused)
{
    (void)unused;
    mutex_lock(&held);
}

static void said(void *what)
{
    printf("deferred of %s\n", (const char *)what);
    fflush(stdout);
}

static void spin(void *unused)
{
    volatile unsigned long n = 0;
    (void)unused;
    runtime_defer(said, "spinner");
    for (;;)
        n++;
}

static void flood(void *unused)
{
    (void)unused;
    for (;;)
        printf("a line of the flood, which is always the same, and rather long for what it says\n");
}

static void print_read(const char *line)
{
    printf("read ");
    for (; *line != '\0' && *line != '\n'; line++)
        printf((unsigned char)*line < ' ' ? "\\x%02x" : "%c", (unsigned char)*line);
    printf("\n");
    fflush(stdout);
}

static void read_all(void)
{
    char line[200];
    while (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "over\n") != 0)
        print_read(line);
}

static void start(const char *name, void (*fn)(void *))
{
    struct go_attr *attr = calloc(1, sizeof(*attr));
    attr->name = name;
    printf("%s is %ld\n", name, (long)go_with(attr, fn, NULL));
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "idle";
    int n = argc > 2 ? atoi(argv[2]) : 0;
    nobody_sends = chan_make(8, 0);
    full = chan_make(8, 2);
    either = chan_make(8, 3);
    mutex_lock(&held);
    start("receiver", receive);
    start("sender", send);
    start("chooser", choose);
    start("locker", lock);
    for (int i = 0; i < n; i++)
        start("spinner", spin);
    for (int i = 0; strcmp(what, "flood") == 0 && i < runtime_numcpu(); i++)
        start("flooder", flood);
    printf("begun, %d goroutines\n", runtime_numgoroutine());
    fflush(stdout);
    if (strcmp(what, "stuck") == 0)
        mutex_lock(&held);
    read_all();
    printf("over\n");
    exit(3);
}
