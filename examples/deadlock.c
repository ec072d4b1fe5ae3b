/*
 * deadlock: two goroutines that take two mutexes in opposite order, while main waits for both. It
 * ends with "fatal error: all goroutines are asleep - deadlock!" and exit status 2. Shows: the report,
 * which names what each goroutine waits for and where it stands.
 */
#include <pinion.h>
#include <stdio.h>

static mutex ink, paper;
static waitgroup both, have_one;

static void take_other(mutex *other)
{
    waitgroup_done(&have_one);
    waitgroup_wait(&have_one); /* until each holds one */
    mutex_lock(other);
}

static void writer(void *unused)
{
    (void)unused;
    mutex_lock(&ink);
    take_other(&paper);
    waitgroup_done(&both);
}

static void printer(void *unused)
{
    (void)unused;
    mutex_lock(&paper);
    take_other(&ink);
    waitgroup_done(&both);
}

int main(void)
{
    waitgroup_add(&both, 2);
    waitgroup_add(&have_one, 2);
    go_with(&(struct go_attr){.name = "writer"}, writer, NULL);
    go_with(&(struct go_attr){.name = "printer"}, printer, NULL);
    waitgroup_wait(&both);
    printf("this is never printed\n");
    return 0;
}
