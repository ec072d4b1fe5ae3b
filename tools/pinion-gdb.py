"""GDB commands that know goroutines.

    gdb-multiarch PROGRAM.elf -ex 'source tools/pinion-gdb.py' -ex 'target remote :1234'

or `make gdb`. Then `help pinion` lists: info goroutines, goroutine, info ps, info ms, info runq,
info chans, info timers, save trace; and GDB prints a struct g, m, p, chan, mutex or timer_node in one line (p/r
shows all of it).

All of it reads memory and registers through GDB and nothing else, so it does not matter who is at
the other end: QEMU's stub or OpenOCD. Nothing is called in the program.

Words. A *hart* is a thread to GDB; which M it is, its registers tell, never its name. A goroutine is
*here* if its registers are those of a hart, and *away* if they lie in memory.

    where a goroutine's registers are                       who put them there
    in a hart                                               it runs
    in a hart, but for pc (and sp on Arm)                   a trap that has not done anything yet
    in a frame on the hart's trap stack, and in what its    a trap whose handler is at work; the
    handler's functions have saved                          unwinder puts them together
    below struct g's end, and below its sp                  the switch
    in a frame on its own stack                             an interrupt that took it off its hart

`goroutine N COMMAND` puts the registers of one that is away into a hart for as long as COMMAND takes,
and then those that it found there again, whatever happened (Borrowed). A command that would let
the program go on meanwhile is refused.

Virtual addresses. Stacks are mapped, and a hart that has paging off, or is in firmware, cannot see
them. What is looked for on a stack is looked for by a hart that can.

What is in memory is believed as far as it makes sense: lists are walked up to a bound and for a
circle, and who reads what is not there gets a line that says so. The program is stopped at any
instruction; a list may be in the middle of a change.

Rooms, in pinion_gdb/: program (memory, symbols, lists), isa, traps (the unwinder), threads (Borrowed), view
(which hart is which, where each goroutine is), and the commands in goroutines, queues, channels
and traces.
"""
import os
import sys

import gdb

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from pinion_gdb import printers, traps  # noqa: E402
from pinion_gdb.channels import InfoChans  # noqa: E402
from pinion_gdb.command import Command  # noqa: E402
from pinion_gdb.goroutines import Goroutine, InfoGoroutines  # noqa: E402
from pinion_gdb.queues import InfoMs, InfoPs, InfoRunq, InfoTimers  # noqa: E402
from pinion_gdb.traces import SaveTrace  # noqa: E402


class Pinion(Command):
    """Goroutines of a Pinion program.

info goroutines           all goroutines, a line each
goroutine N COMMAND       a command, such as bt, in the place of one; all: of each
info ps, info ms          Ps and harts
info runq [P]             what is runnable, in the order of the queues
info chans                channels that are waited for, and by whom
info timers               timers
save trace FILE           the execution trace in memory, for tools/pinion-trace

A struct g, m, p, chan, mutex or timer_node is printed in one line; p/r shows all of it."""
    KIND = gdb.COMMAND_SUPPORT

    def run(self, argument):
        print(self.__doc__)


def install():
    if not hasattr(gdb.Frame, "level"):
        raise gdb.GdbError(f"pinion-gdb.py wants GDB 11 or newer; this is {gdb.VERSION}.")
    Pinion("pinion")
    InfoGoroutines("info goroutines")
    Goroutine("goroutine", gdb.COMPLETE_COMMAND)
    InfoPs("info ps")
    InfoMs("info ms")
    InfoRunq("info runq")
    InfoChans("info chans")
    InfoTimers("info timers")
    SaveTrace("save trace", gdb.COMPLETE_FILENAME)
    printers.install()
    traps.install()


install()
