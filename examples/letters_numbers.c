/*
 * letters_numbers: two goroutines take turns: one writes the letters, the other the numbers. Shows:
 * channels without a buffer as a baton. Elements have no size: what matters is that both meet.
 */
#include <pinion.h>
#include <stdio.h>

static chan *letter_turn, *number_turn, *done;

static void letters(void *unused)
{
    (void)unused;
    for (char c = 'A'; c <= 'Z'; c++) {
        chan_recv(letter_turn, NULL);
        printf("%c", c);
        chan_send(number_turn, NULL);
    }
}

static void numbers(void *unused)
{
    (void)unused;
    for (int i = 1; i <= 26; i++) {
        chan_recv(number_turn, NULL);
        printf("%d", i);
        if (i < 26)
            chan_send(letter_turn, NULL);
    }
    chan_close(done);
}

int main(void)
{
    letter_turn = chan_make(0, 0);
    number_turn = chan_make(0, 0);
    done = chan_make(0, 0);
    if (letter_turn == NULL || number_turn == NULL || done == NULL || go(letters, NULL) < 0 ||
        go(numbers, NULL) < 0)
        runtime_panic("out of memory");
    chan_send(letter_turn, NULL);
    chan_recv(done, NULL);
    printf("\n");
    return 0;
}
