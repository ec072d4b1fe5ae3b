/*
 * start: the main goroutine.
 */
#pragma once
struct args;

/* Keeps the arguments for start_main; returns what to pass to it. */
void *start_prepare(const struct args *args);
/* Goroutine 1: constructors, main, exit. */
void start_main(void *prepared);
