/*
 * irq: interrupt controllers and inter-processor interrupts, behind one small face.
 *
 * The controller is found in the tree: PLIC or IMSIC on RISC-V, GICv2 or GICv3 on Arm. IPIs go the
 * shortest way the tree offers: ACLINT SSWI, IMSIC, GIC SGI, or the SBI.
 *
 * A hart's IPI has no payload. Who sends it has stored what is wanted in the receiver's memory
 * first; irq_send_ipi orders those stores before the interrupt (release, and to device memory).
 * The receiver acknowledges first and looks afterwards: an IPI that comes while it looks is
 * delivered again (traps 1 and 2). Two that come before the acknowledgement are one.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct machine;

/* Boot hart, once, paging on. Maps the controller's registers. Keeps the pointer. */
void irq_init(const struct machine *);
/* Every hart for itself, logical number `hart`; interrupts still masked. From its return on, the
 * hart may be sent IPIs; the caller publishes that with release (or stronger). */
void irq_init_hart(unsigned hart);

/* Interrupts hart (logical number), which may be the caller's own. Any context. */
void irq_send_ipi(unsigned hart);
/* Boot: from now on irq_send_ipi(hart) calls to(hart) instead, which lets irq_send_now do it when it
 * likes, on the same hart. All harts have set themselves up. */
void irq_divert(void (*to)(uint64_t hart));
void irq_send_now(unsigned hart);
/* Name of the way IPIs go: "sswi", "imsic", "gic", "sbi", "none". */
const char *irq_ipi_name(void);
/* Name of the controller: "plic", "imsic", "gicv2", "gicv3", "none". */
const char *irq_chip_name(void);

/*
 * A device interrupt's handler runs in trap context on whichever hart took it, interrupts masked.
 * It asks the device what it wants, which may be nothing (a request that was on its way when the
 * line was last disabled), and quiets it; the line is told to be done when it returns.
 */
typedef void irq_handler(void *arg);
/* Routes interrupt `irq` to hart and enables it there. 0, or -1: no such line or no room. Any
 * context. fn and arg of a line that was in use may change only once its old handler is known to
 * have returned. */
int irq_enable(uint32_t irq, unsigned hart, irq_handler *fn, void *arg);
/* No handler starts any more; one that has begun on another hart may still be running. Any
 * context, the handler itself among them. */
void irq_disable(uint32_t irq);

/*
 * What the trap code calls, interrupts masked.
 *
 * RISC-V's supervisor software interrupt: acknowledges it, nothing more; an IPI came, or none (a
 * wait in the port makes its own interrupt pending). The caller looks for work afterwards. On Arm
 * there is no such interrupt and nothing happens.
 */
void irq_software(void);

/*
 * An external interrupt: takes one from the controller, acknowledges it and says what it was. A
 * device's handler has run and the controller knows that it is done, whatever is returned: so the
 * caller may switch away. The caller repeats until IRQ_NONE, or returns from the trap and comes
 * again. IRQ_TIMER (Arm): the timer holds its line up until it is re-armed; do so before the next
 * call. hart: the logical number of the hart that runs this.
 */
enum irq_event { IRQ_NONE, IRQ_TIMER, IRQ_IPI, IRQ_DEVICE };
enum irq_event irq_external(unsigned hart);
/* With interrupts masked, after a wait: takes an IPI that is pending, so that no trap comes for it. As
 * irq_external; on RISC-V IRQ_IPI also if there was none, and an IMSIC's still comes as a trap. */
enum irq_event irq_poll(unsigned hart);
