/*
 * A device's interrupt reaches the hart that it was routed to, as often as the device asks, and
 * not at all once it is disabled.
 *
 * The device is the console's own UART, of which the console uses nothing but the data path: its
 * "ready to send" interrupt stays up as long as it is let through, so one that comes only once
 * shows that a line was not told to be done, and one that never ends shows that it was not quieted.
 *
 * Meanwhile every hart runs a goroutine that looks after all its registers, and the handler makes
 * free with those that any function may lose.
 */
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/console.h"
#include "kernel/irq.h"
#include "kernel/mmio.h"
#include "tests/target/preempt.h"

#define TIMES    5 /* the handler quiets the device at the fifth call */
#define WAIT_MS  2000
#define QUIET_MS 20

/* QEMU's machines; the registers are mapped where they lie. */
struct device {
    const char *console;
    uint32_t irq;
    uintptr_t reg; /* interrupt enable */
    uint32_t bit;
    bool bytes; /* 8-bit register */
};
static const struct device devices[] = {
    {"16550", 10, 0x10000000 + 1, 0x02, true},
    {"pl011", 33, 0x09000000 + 0x38, 0x20, false},
    {"sifive", 4, 0x10010000 + 0x10, 0x01, false},
};

static const struct device *dev;
static bool plic; /* QEMU's does not look again at a line that stays up: take it down in between */
static _Atomic int calls; /* while armed */
static _Atomic int calls_ever, wrong_hart;
static _Atomic int expected_hart;
static _Atomic bool armed; /* the device has been told to ask */

static void device_write(uint32_t v)
{
    if (dev->bytes)
        mmio_write8(dev->reg, (uint8_t)v);
    else
        mmio_write32(dev->reg, v);
}

/* What a function of the C library might do to the registers. */
static void use_registers(void)
{
#if defined(__aarch64__)
    __asm__ volatile(
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, "
        "20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n\tmovi v\\n\\().16b, #0xa5\n\t"
        ".endr" ::
            : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12",
              "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24",
              "v25", "v26", "v27", "v28", "v29", "v30", "v31");
#endif
}

static void handler(void *arg)
{
    use_registers();
    calls_ever++;
    if (arg != (void *)dev || runtime_hart() != expected_hart)
        wrong_hart++;
    if (!armed)
        return; /* one that was still on its way when the line was disabled the last time */
    if (++calls >= TIMES) {
        device_write(0);
    } else if (plic) {
        device_write(0);
        device_write(dev->bit);
    }
}

/* The console uses its interrupt for input: no longer. */
static void find_device(void)
{
    for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++)
        if (strcmp(devices[i].console, console_name()) == 0)
            dev = &devices[i];
    if (!dev) {
        printf("no interrupt known for console %s\n", console_name());
        exit(1);
    }
    device_write(0);
    irq_disable(dev->irq);
}

static void fail(const char *what, int hart)
{
    device_write(0);
    printf("%s: hart %d, %d calls, %d on the wrong hart\n", what, hart, calls, wrong_hart);
    exit(1);
}

static _Atomic bool over;

static void keep_registers(void *which)
{
    uint64_t pattern = 0x0123456700000000u * (2 * (uint64_t)(uintptr_t)which + 1);
    while (!over) {
        pattern += 0x10000809;
        CHECK_EQ(hold_everything(pattern, 2000), 0);
    }
}

static void one_hart(int hart)
{
    calls = 0;
    expected_hart = hart;
    if (irq_enable(dev->irq, (unsigned)hart, handler, (void *)dev) != 0)
        fail("irq_enable refuses", hart);
    time_sleep(QUIET_MS * 1000000L);
    armed = true;
    device_write(dev->bit);
    for (int ms = 0; calls < TIMES && ms < WAIT_MS; ms++)
        time_sleep(1000000);
    if (calls < TIMES)
        fail("the interrupt did not come as often as it should", hart);
    time_sleep(QUIET_MS * 1000000L);
    if (calls != TIMES)
        fail("the device was quiet, the line was not", hart);

    irq_disable(dev->irq);
    armed = false;
    int before = calls_ever;
    device_write(dev->bit);
    time_sleep(QUIET_MS * 1000000L);
    device_write(0);
    if (calls_ever != before || wrong_hart != 0)
        fail("it came when disabled, or to another hart", hart);
}

int main(void)
{
    find_device();
    plic = strcmp(irq_chip_name(), "plic") == 0;
    if (irq_enable(0, 0, handler, NULL) == 0 || irq_enable(1u << 20, 0, handler, NULL) == 0)
        fail("a line that does not exist was enabled", 0);
    waitgroup keepers = {0};
    for (intptr_t i = 0; i < runtime_numcpu(); i++)
        CHECK(waitgroup_go(&keepers, keep_registers, (void *)i) > 0);
    for (int round = 0; round < 3; round++)
        for (int hart = 0; hart < runtime_numcpu(); hart++)
            one_hart(hart);
    over = true;
    waitgroup_wait(&keepers);
    printf("%s: %d harts took every interrupt meant for them\n", irq_chip_name(), runtime_numcpu());
    return 0;
}
