"""info goroutines, and goroutine N COMMAND."""
import contextlib
import re

import gdb

from pinion_gdb.command import Command
from pinion_gdb.program import G_RUNNING, G_SYSCALL, named, state
from pinion_gdb.threads import Borrowed, selection_kept
from pinion_gdb.view import View

# What lets the program go on, and as far as it must be written for GDB to know it.
RESUMING = (("continue", 1), ("fg", 2), ("step", 1), ("stepi", 5), ("si", 2), ("next", 1),
            ("nexti", 5), ("ni", 2), ("finish", 3), ("until", 1), ("advance", 3), ("run", 1),
            ("start", 4), ("starti", 6), ("jump", 1), ("call", 4), ("return", 3), ("detach", 3),
            ("disconnect", 5), ("kill", 1), ("signal", 3), ("attach", 2), ("target", 3),
            ("load", 2), ("monitor", 3), ("reverse-continue", 7), ("rc", 2), ("rs", 2), ("rn", 2),
            ("rsi", 3), ("rni", 3), ("quit", 1), ("exit", 4))


def resumes(command):
    word = re.match(r"[\w-]*", command.strip()).group()
    return any(len(word) >= least and full.startswith(word) for full, least in RESUMING) or \
        word.startswith("reverse-")


def in_context(view, g, command):
    """Runs command with g's registers in a hart, and all as it was afterwards."""
    hart, regs, _ = view.registers(g)
    with selection_kept():
        if hart is not None:
            hart.thread.switch()
        else:
            view.switch_to_seer(g, regs[view.isa.SP])
        gdb.newest_frame().select()
        calls = gdb.parameter("may-call-functions")
        with contextlib.ExitStack() as stack:
            gdb.execute("set may-call-functions off", to_string=True)
            stack.callback(gdb.execute, f"set may-call-functions {'on' if calls else 'off'}",
                           to_string=True)
            if regs:
                stack.enter_context(Borrowed(regs))
            gdb.execute(command)


class InfoGoroutines(Command):
    """All goroutines: a line each.

A * marks those that run. Then the number, the state in the words of a traceback, the place, and the
name if it has one. The place is the innermost function of the program's own, where its runtime was
called or it was interrupted; and of one that has never run, the function that it begins with."""

    def run(self, argument):
        self.no_words(argument)
        view = View()
        for g in view.goroutines():
            runs = int(g["status"]) in (G_RUNNING, G_SYSCALL)
            print(f"{'*' if runs else ' '} {int(g['id']):<4} {state(g):<20} "
                  f"{view.place(g)}{named(g)}")


class Goroutine(Command):
    """Runs a command, such as bt, in a goroutine's place: goroutine N COMMAND.

goroutine all COMMAND does it in the place of each. Afterwards registers, thread and frame are as they
were. Floating-point and vector registers stay the hart's. A command that would let the program go on
is refused: continue, step, finish and the like, and calls of the program's functions.
Without words it says which goroutine the selected thread runs."""
    KIND = gdb.COMMAND_STACK

    def run(self, argument):
        words = argument.split(None, 1)
        if not words:
            self.current(View())
            return
        if not re.fullmatch(r"all|[0-9]{1,18}", words[0]) or len(words) < 2:
            raise gdb.GdbError("Say goroutine N COMMAND or goroutine all COMMAND, "
                               "such as goroutine 1 bt.")
        if resumes(words[1]):
            raise gdb.GdbError(f"'{words[1]}' would let the program go on, with the goroutine's "
                               "registers in a hart that runs another. Say it by itself.")
        view = View()
        if words[0] != "all":
            in_context(view, view.goroutine(int(words[0])), words[1])
            return
        for g in view.goroutines():
            print(f"\ngoroutine {int(g['id'])} [{state(g)}]{named(g)}:")
            try:
                in_context(view, g, words[1])
            except (gdb.GdbError, gdb.error) as error:
                print(error)

    @staticmethod
    def current(view):
        thread = gdb.selected_thread()
        for g in view.goroutines():
            if view.is_here(g) and view.hart_of(g).thread.num == thread.num:
                print(f"Goroutine {int(g['id'])} [{state(g)}]{named(g)} is here: "
                      f"{view.place(g)}")
                return
        print(f"No goroutine runs on thread {thread.num}.")
