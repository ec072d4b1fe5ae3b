/*
 * power: telling the outside how the run ended, by every way there is.
 *
 * The exit record goes over the console, where tools/pinion-run reads it. QEMU's test device
 * (sifive,test1) carries the status as well. Firmware switches the machine off; a board that has
 * neither stays where it is, its console drained.
 */
#include "kernel/power.h"
#include <stdbool.h>
#include <stddef.h>
#include "arch/arch.h"
#include "kernel/console.h"

#define TEST_PASS 0x5555u
#define TEST_FAIL 0x3333u /* status in the upper half */

static volatile uint32_t *test_device;

void power_init(volatile uint32_t *exit_dev)
{
    test_device = exit_dev;
}

void (*power_last_words)(void);

void power_off(int status)
{
    if (power_last_words != NULL)
        power_last_words();
    console_exit_record(status);
    if (test_device != NULL)
        *test_device = status == 0 ? TEST_PASS : (uint32_t)(status & 0xff) << 16 | TEST_FAIL;
    arch_firmware_off(status != 0);
    arch_halt();
}
