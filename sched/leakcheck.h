/*
 * leakcheck: goroutines that are left when the program ends. See leakcheck.c.
 */
#pragma once

/* The program ends with status: lists who is left, if that was asked for, and returns the value to end
 * with. The goroutine that ends it. */
int leakcheck_at_exit(int status);
