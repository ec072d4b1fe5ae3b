/*
 * tracetail: the end of a trace in a crash report.
 */
#pragma once

/* Prints the newest events of each hart, if there is a trace. The other harts have halted. */
void trace_print_tail(void);
