/*
 * memstats: how memory is used. See memstats.c and <pinion/runtime.h>.
 */
#pragma once

/* Prints the table. Any goroutine that is not in a blocking section. */
void memstats_print(void);
/* The program ends: prints the table, if it was asked for. The goroutine that ends it. */
void memstats_at_exit(void);
