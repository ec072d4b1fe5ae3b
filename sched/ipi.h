/*
 * ipi: one hart interrupts another: counted, and noted if there is a trace.
 */
#pragma once
#include "kernel/irq.h"
#include "sched/trace.h"

enum ipi_why { IPI_WAKE, IPI_LOOK, IPI_STOP };

/* self's hart, preemption off or in a handler, to that of m. A handler of a hart without a P notes nothing. */
static inline void ipi_send(struct m *self, struct m *m, enum ipi_why why)
{
    self->ipis_sent++;
    if (self->p != NULL)
        TRACE_M(self, 0, m->id, TRACE_WHAT(TRACE_IPI_SEND, why, 0));
    irq_send_ipi(m->hart_no);
}
