"""Which hart is which, and where each goroutine is."""
import gdb

from pinion_gdb.isa import isa
from pinion_gdb.program import (FRAMES_MAX, G_DEAD, G_RUNNING, G_SYSCALL, G_WAITING, address_of,
                                linked, readable, struct_at, struct_type, variable, where,
                                words_near)
from pinion_gdb.threads import Borrowed, number, selection_kept

SCHEDULER, ENTERS = "scheduler", "enters or leaves an interrupt"


class Hart:
    """A thread of GDB's, and the M that it is. tp: of the goroutine that runs there, or was
    interrupted there; regs: those of its registers that are not in the hart's. place: what else
    the hart is at."""

    def __init__(self, m, thread):
        self.m, self.thread = m, thread
        self.tp, self.regs, self.place = None, {}, ""


class View:
    """The program as it stands, seen once."""

    def __init__(self):
        if Borrowed.now is not None:
            raise gdb.GdbError("Not in another goroutine's place: there a hart's registers are not "
                               "those of what it runs.")
        if gdb.selected_thread() is None:
            raise gdb.GdbError("The program is not being run: connect to a board first "
                               "(target remote HOST:PORT), or use `make gdb`.")
        if any(t.is_running() for t in gdb.selected_inferior().threads()):
            raise gdb.GdbError("The program runs: stop it first (Ctrl-C, or interrupt).")
        self.sched = variable("sched")
        self.n_m, self.n_p = int(self.sched["n_m"]), int(self.sched["n_p"])
        if not 1 <= self.n_m <= 64 or int(self.sched["m"][0]) == 0:
            raise gdb.GdbError("There are no goroutines yet: the harts are not up. Let the program "
                               "go on, for instance to main (break main, continue).")
        self.isa = isa()
        self.g_size = struct_type("g").sizeof
        try:
            self.ms = [struct_at(self.sched["m"][i], "m") for i in range(self.n_m)]
            self.ps = [struct_at(self.sched["p"][i], "p") for i in range(self.n_m)]
        except gdb.MemoryError:
            raise gdb.GdbError("The scheduler's memory makes no sense: either the program has not "
                               "come up yet, or this is not the ELF that runs.") from None
        self.found = None
        self.harts = {}
        with selection_kept():
            for thread in gdb.selected_inferior().threads():
                thread.switch()
                self.add_hart(thread)
        if not self.harts:
            print("(None of the threads that GDB shows is one of this program's harts. Where they are "
                  "several processes to GDB: target extended-remote, add-inferior, inferior 2, "
                  "attach 2.)")

    def g_of(self, tp):
        return int(tp) - self.g_size

    def m_id(self, address):
        """The number of the M at the address; None: there is none."""
        for i, m in enumerate(self.ms):
            if address_of(m) == int(address):
                return i
        return None

    # -- which hart is which

    def add_hart(self, thread):
        frame = gdb.newest_frame()

        def read(name):
            return number(frame, name)
        tp = self.read_or_none(read, self.isa.TP)
        i = self.which(read, tp, read(self.isa.SP))
        if i is None:
            return
        hart = self.harts[i] = Hart(self.ms[i], thread)
        sp = read(self.isa.SP)
        hart.regs = self.isa.trapped(lambda name: self.read_or_none(read, name))
        if hart.regs is not None:
            sp = hart.regs.get(self.isa.SP, sp)
        if None in (hart.regs or {}).values() or \
                (hart.regs is None and self.isa.on_the_way(read("pc"))):
            hart.place = ENTERS
            return
        hart.regs = hart.regs or {}
        hart.tp = self.running_by_stack(sp, hart.m) if tp is None else tp
        if hart.tp == int(hart.m["hart"]["sched_tp"]):
            hart.tp, hart.regs, hart.place = self.under_handler(hart.m)

    @staticmethod
    def read_or_none(read, name):
        try:
            return read(name)
        except ValueError:
            return None

    def which(self, read, tp, sp):
        """By the register that names the hart; else by the thread pointer; else by the stack."""
        value = self.read_or_none(read, self.isa.HART)
        for i, m in enumerate(self.ms):
            if value is not None and self.isa.is_mine(m, value):
                return i
            if tp == int(m["hart"]["sched_tp"]) or self.on_own_stack(m, sp):
                return i
        g = None if tp is None else self.g_of(tp)
        if g is None:
            g = self.g_by_stack(sp)
        try:
            return self.m_id(struct_at(g, "g")["m"]) if g is not None else None
        except gdb.MemoryError:
            return None

    @staticmethod
    def on_own_stack(m, sp):
        size = 16 << 10  # SCHED_STACK_SIZE, TRAP_STACK_SIZE
        return any(0 <= top - sp <= size
                   for top in (int(m["hart"]["trap_sp"]), int(m["hart"]["sched_sp"])))

    def running_by_stack(self, sp, m):
        """For who cannot read the thread pointer."""
        g = self.g_by_stack(sp)
        if self.on_own_stack(m, sp) or g is None:
            return int(m["hart"]["sched_tp"])
        return g + self.g_size

    def g_by_stack(self, sp):
        for g in self.goroutines():
            if int(g["stack"]["lo"]) <= sp <= int(g["stack"]["hi"]):
                return address_of(g)
        return None

    def under_handler(self, m):
        """The selected hart has its scheduler's thread pointer. In a handler: whom it interrupted,
        and the registers of that."""
        frame = gdb.newest_frame()
        for level in range(FRAMES_MAX):
            if level > 0 and self.isa.in_handler(int(frame.pc())):
                saved = struct_at(number(frame, "sp"), "arch_frame")
                regs = {**self.isa.of_frame(saved),
                        **{name: number(frame, name) for name in self.isa.KEPT}}
                return self.isa.tp_of_frame(saved), regs, "in an interrupt"
            try:
                frame = frame.older()
            except gdb.error:
                frame = None
            if frame is None:
                break
        return int(m["hart"]["sched_tp"]), {}, SCHEDULER

    # -- goroutines

    def goroutines(self):
        """All that are not dead, by id (sched/chunk.c: g_each)."""
        if self.found is None:
            self.found = sorted(self.walk_chunks(), key=lambda g: int(g["id"]))
        return self.found

    def walk_chunks(self):
        gs = variable("gs", "chunk.c")
        stride = int(gs["stride"])
        live = []

        def after(at):
            chunk = struct_at(at, "chunk")
            n, first = int(chunk["n"]), int(chunk["first"])
            if stride < self.g_size or not 0 <= n * stride <= 1 << 30:
                raise gdb.MemoryError
            for i in range(n):
                g = struct_at(first + i * stride, "g")
                if int(g["status"]) != G_DEAD and int(g["id"]) != 0:
                    live.append(g)
            return chunk["next"]
        for _ in linked(gs["all"], after, "the list of chunks of goroutines"):
            pass
        return live

    def goroutine(self, wanted):
        for g in self.goroutines():
            if int(g["id"]) == wanted:
                return g
        raise gdb.GdbError(f"There is no goroutine {wanted}: it has ended, or never was.")

    def hart_of(self, g):
        return self.harts.get(self.m_id(g["m"]))

    def is_here(self, g):
        """Its registers are a hart's, or in a trap's frame there."""
        hart = self.hart_of(g)
        return hart is not None and hart.tp is not None and self.g_of(hart.tp) == address_of(g)

    def registers(self, g):
        """(hart whose thread it must be or None, registers that differ from that thread's, whether
        it was interrupted)."""
        who = f"Goroutine {int(g['id'])}"
        if self.is_here(g):
            hart = self.hart_of(g)
            return hart, hart.regs, True
        i, hart = self.m_id(g["m"]), self.hart_of(g)
        runs = int(g["status"]) in (G_RUNNING, G_SYSCALL)
        if runs and hart is None:
            raise gdb.GdbError(f"{who} runs on hart {i}, and none of the threads that "
                               "GDB shows can be told to be that.")
        if (runs and hart.place != SCHEDULER) or \
                (hart is not None and hart.place == ENTERS and int(g["status"]) != G_WAITING):
            raise gdb.GdbError(f"{who} is on hart {i}, which is in firmware or enters "
                               "or leaves an interrupt: its registers cannot be had here. Let the "
                               "program go on for a moment.")
        try:
            return (None, *self.isa.parked(g))
        except gdb.MemoryError:
            raise gdb.GdbError(f"{who}'s registers should be on its stack, which "
                               "cannot be read: it, or the stack, is damaged.") from None

    # -- where it is

    def place(self, g):
        """The innermost of its functions that is the program's own, else the innermost of all."""
        try:
            hart, regs, exact = self.registers(g)
            with selection_kept():
                if hart is not None:
                    hart.thread.switch()
                    if not regs:
                        return self.walk_frames()
                    frame = gdb.newest_frame()
                    regs = {**{name: number(frame, name) for name in (self.isa.FP, self.isa.RA)},
                            **regs}
                    regs.setdefault(self.isa.SP, number(frame, self.isa.SP))
                else:
                    self.switch_to_seer(g, regs[self.isa.SP])
                text, own = self.walk(g, regs, exact)
                if own or hart is not None:
                    return text
                # Some of the runtime's functions have no frame pointer: by GDB's own lights, then.
                with Borrowed(regs):
                    return self.walk_frames()
        except (gdb.GdbError, gdb.error):
            return "?"

    @staticmethod
    def walk_frames():
        """As walk, of the selected thread's own registers: GDB knows them at any instruction."""
        frame, first = gdb.newest_frame(), None
        for level in range(FRAMES_MAX):
            text, own = where(int(frame.pc()) - (level > 0))
            first = first or text
            frame = None if own else frame.older()
            if own or frame is None:
                break
        return text if own else first

    def walk(self, g, regs, exact):
        """(what place says, whether it is the program's own), by frame pointers, which is quick."""
        lo, hi = int(g["stack"]["lo"]), int(g["stack"]["hi"])
        if regs["pc"] == self.isa.entry:
            return where(self.isa.first_function(g))[0], True
        if exact:
            first, own = where(regs["pc"])
        else:  # in the function that called the switch
            first, own = where(regs[self.isa.RA] - 1)
        if own:
            return first, True
        words = words_near(regs[self.isa.SP], hi)
        try:
            at = (self.isa.step_from_trap(words, regs, lo, hi) if exact
                  else self.isa.step(words, regs[self.isa.FP], lo, hi))
            for _ in range(FRAMES_MAX):
                if at is None:
                    break
                text, own = where(at[0] - 1)
                if own:
                    return text, True
                at = self.isa.step(words, at[1], lo, hi)
        except gdb.MemoryError:
            pass
        return first, False

    def switch_to_seer(self, g, sp):
        """Selects a hart that can see g's stack: this one if it can."""
        if readable(sp - sp % 8 - (0 if sp < int(g["stack"]["hi"]) else 8)):
            return
        for hart in self.harts.values():
            hart.thread.switch()
            if readable(int(g["stack"]["hi"]) - 8):
                return
        raise gdb.GdbError(f"No hart can see the stack of goroutine {int(g['id'])} at {sp:#x}: "
                           "it is damaged, or paging is off.")

    def short(self, g):
        """A goroutine of a list: its number, by its address."""
        try:
            g = struct_at(g, "g")
            return str(int(g["id"])) if int(g["status"]) != G_DEAD else f"{address_of(g):#x} (dead)"
        except gdb.MemoryError:
            return f"{int(g):#x} (cannot be read)"
