"""GDB commands that know goroutines.

    gdb-multiarch PROGRAM.elf -ex 'source tools/pinion-gdb.py' -ex 'target remote :1234'

or `make gdb`. Then `help pinion` lists: info goroutines, goroutine, info ps, info ms, info runq,
info chans, info timers; and GDB prints a struct g, m, p, chan, mutex or timer_node in one line (p/r
shows all of it).

All of it reads memory and registers through GDB and nothing else, so it does not matter who is at
the other end: QEMU's stub or OpenOCD. Nothing is called in the program.

Words. A *hart* is a thread to GDB; which M it is, its registers tell, never its name. A goroutine is
*here* if its registers are those of a hart, and *away* if they lie in memory.

    where a goroutine's registers are                       who put them there
    in a hart                                               it runs
    in a hart, but for pc (and sp on Arm)                   a trap that has not done anything yet
    in a frame on the hart's trap stack, and in what its    a trap whose handler is at work; the
    handler's functions have saved                          unwinder below puts them together
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
"""
import contextlib
import functools
import re
import struct

import gdb
import gdb.unwinder

G_RUNNABLE, G_RUNNING, G_SYSCALL, G_WAITING, G_DEAD = 1, 2, 3, 4, 6  # enum g_status
LIST_MAX = 1 << 20    # of what is linked
SHOWN_MAX = 64        # of a queue's goroutines
FRAMES_MAX = 64
STACK_MAX = 64 << 20
SEARCH_MAX = 64 << 20  # bytes of the heap
NOWHERE = "?"


# ---- memory, symbols and types

def memory(address, size):
    return gdb.selected_inferior().read_memory(address, size).tobytes()


def words_at(address, n):
    return struct.unpack(f"<{n}Q", memory(address, 8 * n))


def readable(address):
    try:
        return bool(memory(address, 8))
    except gdb.MemoryError:
        return False


def struct_type(name):
    try:
        return gdb.lookup_type("struct " + name)
    except gdb.error:
        raise gdb.GdbError(f"There is no struct {name} in this program's debug information: "
                           "load the ELF that the board runs (file PROGRAM.elf).") from None


def struct_at(address, name):
    """A struct of the program, read in one go."""
    value = gdb.Value(int(address)).cast(struct_type(name).pointer()).dereference()
    value.fetch_lazy()
    return value


def offset_of(name, field, *fields):
    kind, bits = struct_type(name), 0
    for field in (field, *fields):
        found = kind.strip_typedefs()[field]
        bits, kind = bits + found.bitpos, found.type
    return bits // 8


def variable(name, file=None):
    """One of the program's; file: where it is static."""
    found = gdb.lookup_static_symbols(name) if file else [gdb.lookup_global_symbol(name)]
    for symbol in found:
        if symbol is not None and (file is None or symbol.symtab.filename.endswith(file)):
            return symbol.value()
    raise gdb.GdbError(f"The program has no variable {name}, or GDB does not know it: load the "
                       "ELF of a Pinion program, with its debug information (file PROGRAM.elf).")


@functools.lru_cache(maxsize=None)
def label(name):
    """The address of a function or label, of assembly too; None: there is none."""
    try:
        return int(gdb.parse_and_eval(f"(unsigned long)&{name}"))
    except gdb.error:
        return None


def address_of(value):
    return int(value.address)


def linked(first, step, what):
    """What a list links, at most LIST_MAX; what: for a line if it never ends."""
    seen, at = set(), int(first)
    while at != 0:
        if at in seen or len(seen) == LIST_MAX:
            print(f"({what} goes round in a circle at {at:#x}, or is longer than can be)")
            return
        seen.add(at)
        try:
            then = int(step(at))
        except gdb.MemoryError:
            print(f"({what} leads to {at:#x}, which cannot be read)")
            return
        yield at
        at = then


# ---- the instruction sets

class Isa:
    """What differs between them. Registers are dicts of names to numbers."""

    def __init__(self):
        self.frame_resume = label(self.FRAME_RESUME)
        self.entry = label(self.CONTEXT_ENTRY)
        self.park, self.resume = label("arch_park"), label("arch_resume")

    @staticmethod
    def between(pc, labels):
        first, end = label(labels[0]), label(labels[1])
        return first is not None and end is not None and first <= pc < end

    def on_the_way(self, pc):
        """In the middle of a trap's way in or out, the innermost frame's pc."""
        return self.in_handler(pc) or self.between(pc, self.LEAVING)

    def start(self, g, ra):
        """pc and return address for a goroutine that left by a call: as if it were in the function
        that it called, so that GDB takes the callers for callers. One that has never run is where
        it will begin."""
        if ra == self.entry:
            return ra, 0
        return (self.park if int(g["status"]) == G_WAITING else self.resume), ra

    def parked(self, g):
        """The registers of one that is away, and whether it was interrupted."""
        if self.return_address(g["ctx"]) == self.frame_resume:
            return self.of_frame(struct_at(self.stack_pointer(g["ctx"]), "arch_frame")), True
        return self.of_switch(g), False


class Riscv(Isa):
    NAME, TP, HART = "riscv", "tp", "sscratch"
    SP, FP, RA = "x2", "x8", "x1"
    FRAME_RESUME, CONTEXT_ENTRY = "riscv_frame_resume", "riscv_context_entry"
    ENTRY = "riscv_trap_entry"
    LEAVING = "riscv_trap_park", "riscv_context_entry"
    FP_SIZE, FP_RA = 112, 104  # arch/riscv/offsets.h
    # Of an interrupt's frame these are not stored, and C preserves them; tp and gp are the hart's.
    KEPT = ("x9", *(f"x{i}" for i in range(18, 28)))
    SAVED = tuple(f"x{i}" for i in range(1, 32) if i not in (3, 4))

    def return_address(self, ctx):
        return int(ctx["ra"])

    def stack_pointer(self, ctx):
        return int(ctx["sp"])

    def of_frame(self, f):
        regs = {name: int(f["x"][int(name[1:])]) for name in self.SAVED}
        return {**regs, "pc": int(f["x"][0])}

    def tp_of_frame(self, f):
        return int(f["x"][4])

    def of_switch(self, g):
        ctx = g["ctx"]
        sp, ra, s = int(ctx["sp"]), int(ctx["ra"]), [int(ctx["s"][i]) for i in range(12)]
        if ra == label("fp_resume"):
            ra = words_at(sp - self.FP_SIZE + self.FP_RA, 1)[0]
        pc, ra = self.start(g, ra)
        kept = dict(zip(("x8", "x9", *(f"x{i}" for i in range(18, 28))), s))
        return {**kept, "x1": ra, "x2": sp, "pc": pc}

    def first_function(self, g):
        return int(g["ctx"]["s"][1])

    def is_mine(self, m, value):
        """value: of the register HART. 0 in a trap's handler."""
        return value != 0 and value == int(m["hart"]["trap_sp"])

    def trapped(self, read):
        """What a trap that has not done anything yet has changed; None: the hart is not there."""
        return {"pc": read("sepc")} if read("pc") == label(self.ENTRY) else None

    @staticmethod
    def in_handler(pc):
        """In trap.S, which is one function."""
        table = gdb.find_pc_line(pc).symtab
        return table is not None and table.filename.endswith("arch/riscv/trap.S")

    def step(self, pc, fp, lo, hi):
        """To the caller (arch_unwind); None: that was the last."""
        if fp % 8 != 0 or not lo + 16 <= fp <= hi:
            return None
        up, pc = words_at(fp - 16, 2)
        return None if pc == 0 or (up != 0 and up <= fp) else (pc, up)

    def step_from_trap(self, regs, lo, hi):
        """As step, from any instruction (arch_frame_caller): a leaf has not stored ra."""
        fp = regs["x8"]
        if fp % 8 == 0 and fp >= max(regs["x2"] + 8, lo + 16) and fp <= hi:
            word = words_at(fp - 8, 1)[0]
            if fp <= word <= hi:
                return regs["x1"], word
        return self.step(regs["pc"], fp, lo, hi)


class Arm64(Isa):
    NAME, TP, HART = "aarch64", "TPIDR_EL0", "TPIDR_EL1"
    SP, FP, RA = "sp", "x29", "x30"
    FRAME_RESUME, CONTEXT_ENTRY = "arm64_frame_resume", "arm64_context_entry"
    ENTRIES = "trap_irq", "trap_sync"
    HANDLER, LEAVING = ("trap_irq", "arch_trap_call"), ("arm64_trap_park", "arm64_fpcr_resume")
    D_SIZE, FPCR_SIZE = 64, 16  # arch/arm64/offsets.h
    KEPT = tuple(f"x{i}" for i in range(20, 28))
    SAVED = (*(f"x{i}" for i in range(31)), "sp")

    def return_address(self, ctx):
        return int(ctx["x"][11])

    def stack_pointer(self, ctx):
        return int(ctx["sp"])

    def of_frame(self, f):
        regs = {f"x{i}": int(f["x"][i]) for i in range(31)}
        return {**regs, "sp": int(f["sp"]), "pc": int(f["pc"])}

    def tp_of_frame(self, f):
        return int(f["tp"])

    def of_switch(self, g):
        ctx = g["ctx"]
        kept = {f"x{19 + i}": int(ctx["x"][i]) for i in range(11)}
        sp, ra = int(ctx["sp"]) + self.D_SIZE, int(ctx["x"][11])
        if ra == label("arm64_fpcr_resume"):
            ra = words_at(sp, 1)[0]
            sp += self.FPCR_SIZE
        pc, ra = self.start(g, ra)
        return {**kept, "x30": ra, "sp": sp, "pc": pc}

    def first_function(self, g):
        return int(g["ctx"]["x"][0])

    def is_mine(self, m, value):
        return value == address_of(m)

    def trapped(self, read):
        pc, vectors = read("pc"), label("arm64_vectors")
        if vectors is None or not (vectors <= pc < vectors + 2048 or
                                   pc in map(label, self.ENTRIES)):
            return None
        return {"pc": read("ELR_EL1"), "sp": read("SP_EL0")}

    def in_handler(self, pc):
        return self.between(pc, self.HANDLER)

    def step(self, pc, fp, lo, hi):
        if fp % 8 != 0 or not lo <= fp <= hi - 16:
            return None
        up, pc = words_at(fp, 2)
        return None if pc == 0 or (up != 0 and up <= fp) else (pc, up)

    def step_from_trap(self, regs, lo, hi):
        return self.step(regs["pc"], regs["x29"], lo, hi)


def isa():
    """That of the program."""
    name = gdb.selected_inferior().architecture().name() if hasattr(
        gdb.Inferior, "architecture") else gdb.execute("show architecture", to_string=True)
    for kind in (Riscv, Arm64):
        if kind.NAME in name:
            return kind()
    raise gdb.GdbError(f"Goroutines of RISC-V and AArch64 boards can be shown, not of {name}.")


# ---- traps

class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class TrapUnwinder(gdb.unwinder.Unwinder):
    """From a trap's handler to what it interrupted. trap.S has the picture: a struct arch_frame at
    the handler's sp; what an interrupt's frame does not hold, the handler's functions preserve."""

    def __init__(self):
        super().__init__("pinion-trap")
        self.isa = None

    def find(self, _event=None):
        """There is a program, or another one. Labels are looked up now, not while GDB unwinds."""
        label.cache_clear()
        where.cache_clear()
        try:
            self.isa = isa()
        except (gdb.error, gdb.GdbError):
            self.isa = None

    def __call__(self, pending):
        kind = self.isa
        if kind is None or not kind.in_handler(int(pending.read_register("pc"))):
            return None
        if pending.level() == 0:  # on its way in or out: the frame may not be whole
            return None
        sp = int(pending.read_register("sp"))
        try:
            regs = kind.of_frame(struct_at(sp, "arch_frame"))
        except (gdb.MemoryError, gdb.GdbError):
            return None
        info = pending.create_unwind_info(FrameId(gdb.Value(sp), pending.read_register("pc")))
        for name, number in regs.items():
            now = pending.read_register(name)
            info.add_saved_register(name, now if name in kind.KEPT
                                    else gdb.Value(number).cast(now.type))
        return info


TRAPS = TrapUnwinder()
gdb.unwinder.register_unwinder(None, TRAPS, replace=True)
gdb.events.new_objfile.connect(TRAPS.find)


# ---- harts

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
            return int(frame.read_register(name)) & (1 << 64) - 1
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
        """The selected hart has its scheduler's thread pointer. In a handler: whom it interrupted
        and the registers of that."""
        frame = gdb.newest_frame()
        for _ in range(FRAMES_MAX):
            try:
                older = frame.older()
            except gdb.error:
                older = None
            if older is None:
                break
            if frame.level() > 0 and self.isa.in_handler(int(frame.pc())):
                regs = {name: int(older.read_register(name)) & (1 << 64) - 1
                        for name in (*self.isa.SAVED, "pc")}
                saved = struct_at(int(frame.read_register("sp")), "arch_frame")
                return self.isa.tp_of_frame(saved), regs, "in an interrupt"
            frame = older
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

    def goroutine(self, number):
        for g in self.goroutines():
            if int(g["id"]) == number:
                return g
        raise gdb.GdbError(f"There is no goroutine {number}: it has ended, or never was.")

    def hart_of(self, g):
        return self.harts.get(self.m_id(g["m"]))

    def is_here(self, g):
        """Its registers are a hart's, or in a trap's frame there."""
        hart = self.hart_of(g)
        return hart is not None and hart.tp is not None and self.g_of(hart.tp) == address_of(g)

    def registers(self, g):
        """(hart whose thread it must be or None, registers that differ from that thread's, whether
        it was interrupted)."""
        number = int(g["id"])
        if self.is_here(g):
            hart = self.hart_of(g)
            return hart, hart.regs, True
        i, hart = self.m_id(g["m"]), self.hart_of(g)
        runs = int(g["status"]) in (G_RUNNING, G_SYSCALL)
        if runs and hart is None:
            raise gdb.GdbError(f"Goroutine {number} runs on hart {i}, and none of the threads that "
                               "GDB shows can be told to be that.")
        if (runs and hart.place != SCHEDULER) or \
                (hart is not None and hart.place == ENTERS and int(g["status"]) != G_WAITING):
            raise gdb.GdbError(f"Goroutine {number} is on hart {i}, which is in firmware or enters "
                               "or leaves an interrupt: its registers cannot be had here. Let the "
                               "program go on for a moment.")
        try:
            return (None, *self.isa.parked(g))
        except gdb.MemoryError:
            raise gdb.GdbError(f"Goroutine {number}'s registers should be on its stack, which "
                               "cannot be read: it, or the stack, is damaged.") from None

    # -- in words

    def state(self, g):
        status = int(g["status"])
        if status in (G_RUNNING, G_SYSCALL):
            return ("running" if status == G_RUNNING else "syscall") + f" (hart {self.m_id(g['m'])})"
        if status == G_RUNNABLE:
            return "runnable"
        if status != G_WAITING:
            return f"status {status}"
        names = variable("wait_names", "traceback.c")
        reason = int(g["wait_reason"])
        return names[reason].string() if reason <= names.type.range()[1] else "waiting"

    def place(self, g):
        """The innermost of its functions that is the program's own, else the innermost of all."""
        try:
            hart, regs, exact = self.registers(g)
            with selection_kept():
                if hart is not None:
                    hart.thread.switch()
                    frame = gdb.newest_frame()
                    regs = {**{name: int(frame.read_register(name)) & (1 << 64) - 1 for name in
                               (self.isa.SP, self.isa.FP, self.isa.RA, "pc")}, **regs}
                else:
                    self.switch_to_seer(g, regs[self.isa.SP])
                return self.walk(g, regs, exact)
        except gdb.GdbError:
            return NOWHERE

    def walk(self, g, regs, exact):
        lo, hi = int(g["stack"]["lo"]), int(g["stack"]["hi"])
        if regs["pc"] == self.isa.entry:
            return where(self.isa.first_function(g))[0]
        first, own = where(regs["pc"])
        if not exact:  # the switch's frame is not there
            regs["pc"] = regs[self.isa.RA]
            first, own = where(regs["pc"] - 1)
        if own:
            return first
        try:
            at = (self.isa.step_from_trap(regs, lo, hi) if exact
                  else self.isa.step(regs["pc"], regs[self.isa.FP], lo, hi))
            for _ in range(FRAMES_MAX):
                if at is None:
                    break
                text, own = where(at[0] - 1)
                if own:
                    return text
                at = self.isa.step(*at, lo, hi)
        except gdb.MemoryError:
            pass
        return first

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


ROOMS = re.compile(r"(\./)?(sched|kernel|arch|boot|board|include)/")


@functools.lru_cache(maxsize=4096)
def where(pc):
    """(the function, file and line that pc lies in, whether they are the program's own). What the
    compiler has put into a function counts as that function, and then there is no line: GDB does not
    say where it was put."""
    block, function = gdb.block_for_pc(pc), None
    while block is not None and not block.is_static and not block.is_global:
        function = block.function or function  # the outermost: others were put in by the compiler
        block = block.superblock
    if function is None:
        text = gdb.execute(f"info symbol {pc:#x}", to_string=True).split(" in section")[0].strip()
        return ("?" if text.startswith("No symbol") else re.sub(r" \+ \d+$", "", text)), False
    table, here = function.symtab, gdb.find_pc_line(pc)
    own = not ROOMS.match(table.filename) and "newlib" not in table.fullname()
    same = here.symtab is not None and here.symtab.filename == table.filename
    line = f":{here.line}" if same and here.line > 0 else ""
    return f"{function.name} at {table.filename}{line}", own


@contextlib.contextmanager
def selection_kept():
    """The selected thread and frame are the same afterwards."""
    thread = gdb.selected_thread()
    try:
        level = gdb.selected_frame().level()
    except gdb.error:
        level = 0
    try:
        yield
    finally:
        if thread.is_valid():
            thread.switch()
            select_frame(level)


def select_frame(level):
    frame = gdb.newest_frame()
    while level > 0 and frame is not None:
        frame, level = frame.older(), level - 1
    (frame or gdb.newest_frame()).select()


class Borrowed:
    """The selected thread has other registers for a while.

    Each is read before it is written, and written back, innermost frame selected (GDB would write
    to a caller's saved place), in whatever way the command ended. What then is not as it was, is
    said. Not if the program has gone on meanwhile: those registers are gone."""

    def __init__(self, regs):
        self.regs, self.thread, self.ran = regs, gdb.selected_thread(), False
        frame = gdb.newest_frame()
        self.was = {name: int(frame.read_register(name)) & (1 << 64) - 1 for name in regs}

    def write(self, regs):
        self.thread.switch()
        for name, number in regs.items():
            gdb.newest_frame().select()
            gdb.execute(f"set var ${name} = {number:#x}", to_string=True)

    def note(self, _event):
        self.ran = True

    def __enter__(self):
        gdb.events.cont.connect(self.note)
        try:
            self.write(self.regs)
            gdb.newest_frame().select()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        gdb.events.cont.disconnect(self.note)
        if self.ran or not self.thread.is_valid():
            print("The program has gone on with a goroutine's registers in the wrong hart: "
                  "what it does now means nothing. Start it again.")
            return
        self.write(self.was)
        frame = gdb.newest_frame()
        frame.select()
        wrong = [n for n, v in self.was.items() if int(frame.read_register(n)) & (1 << 64) - 1 != v]
        if wrong:
            print(f"These registers of thread {self.thread.num} could not be put back: {wrong}")


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


# ---- commands

class Command(gdb.Command):
    """Of this script: help is the class's text."""
    KIND = gdb.COMMAND_STATUS

    def __init__(self, name, *more):
        super().__init__(name, self.KIND, *more)
        self.name = name

    def invoke(self, argument, from_tty):
        self.dont_repeat()
        try:
            self.run(argument.strip())
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"{self.name}: {error}: what leads there is damaged, or this is "
                               "not the ELF that runs.") from None
        except gdb.error as error:
            raise gdb.GdbError(str(error)) from None

    def run(self, argument):
        raise NotImplementedError

    def no_words(self, argument):
        if argument:
            raise gdb.GdbError(f"{self.name} takes no words.")


def named(g):
    try:
        return f' "{g["name"].string()}"' if int(g["name"]) != 0 else ""
    except gdb.error:
        return ""


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
            print(f"{'*' if runs else ' '} {int(g['id']):<4} {view.state(g):<20} "
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
            print(f"\ngoroutine {int(g['id'])} [{view.state(g)}]{named(g)}:")
            try:
                in_context(view, g, words[1])
            except (gdb.GdbError, gdb.error) as error:
                print(error)

    @staticmethod
    def current(view):
        thread = gdb.selected_thread()
        for g in view.goroutines():
            if view.is_here(g) and view.hart_of(g).thread.num == thread.num:
                print(f"Goroutine {int(g['id'])} [{view.state(g)}]{named(g)} is here: "
                      f"{view.place(g)}")
                return
        print(f"No goroutine runs on thread {thread.num}.")


P_STATES = ("idle", "running", "syscall", "stopped", "dead")  # enum p_status


def ring(p):
    """The Gs in a P's ring, oldest first, as thread pointers."""
    q = p["runq"]
    head, tail = int(q["ring"]["head"]), int(q["ring"]["tail"])
    size = q["slot"].type.range()[1] + 1
    n = (tail - head) % (1 << 32)
    if n > size:
        return [], f" (head {head} and tail {tail} make no sense)"
    return [int(q["slot"][(head + i) % size]) for i in range(n)], ""


class InfoPs(Command):
    """All Ps, the rights to run goroutines: a line each.

Its state, the hart that holds it (in syscall: whose blocking section has left it behind), how many
goroutines its ring and runnext hold, and how many timers it has."""

    def run(self, argument):
        self.no_words(argument)
        view = View()
        print(f"{view.n_p} Ps in use, of {view.n_m}")
        for i, p in enumerate(view.ps):
            word = int(p["status"])
            state = P_STATES[word & 0xff] if word & 0xff < len(P_STATES) else f"status {word:#x}"
            m = view.m_id(p["m"])
            holder = f"hart {m}" if m is not None and state in ("running", "syscall") else "nobody"
            queued = len(ring(p)[0]) + (int(p["runq"]["next"]) != 0)
            print(f"  P {i:<3} {state:<8} {holder:<8} queued {queued:<4} timers "
                  f"{int(p['timers']['n'])}")


class InfoMs(Command):
    """All Ms, the harts: a line each.

Its thread in GDB, its P, what it is at, and for one that runs no goroutine the function that it is
in. A * marks the selected thread."""

    def run(self, argument):
        self.no_words(argument)
        view = View()
        selected = gdb.selected_thread()
        by_address = {address_of(g): g for g in view.goroutines()}
        for i, m in enumerate(view.ms):
            hart = view.harts.get(i)
            p = int(m["p"])
            number = int(struct_at(p, "p")["id"]) if p != 0 else "-"
            thread = hart.thread.num if hart else "-"
            mark = "*" if hart and thread == selected.num else " "
            print(f"{mark} M {i:<3} thread {thread:<3} P {number:<3} "
                  f"{self.occupation(view, m, hart, by_address)}")

    @staticmethod
    def occupation(view, m, hart, by_address):
        words = []
        if hart is not None:
            g = by_address.get(view.g_of(hart.tp)) if hart.tp is not None else None
            if g is not None:
                words.append(f"runs {int(g['id'])}{named(g)}")
                if hart.place:
                    words.append(hart.place)
            else:
                with selection_kept():
                    hart.thread.switch()
                    frame = gdb.newest_frame()
                    words.append(f"{hart.place or 'firmware'}: {where(int(frame.pc()))[0]}")
        for field, word in (("spinning", "searches"), ("halted", "has halted"), ("frozen", "frozen")):
            if int(m[field]):
                words.append(word)
        if int(m["idle_since"]):
            words.append("asleep")
        if int(m["wired"]):
            words.append(f"wired to {view.short(m['wired'])}")
        if int(m["section"]):
            words.append(f"in a blocking section, P {int(struct_at(m['section'], 'p')['id'])}")
        if int(view.sched["sysmon"]) == address_of(m):
            words.append("sysmon")
        return ", ".join(words)


class InfoRunq(Command):
    """What is runnable, in the order of the queues: info runq [P].

Of each P, or of P number P, that has something: runnext, the ring (oldest first), the inbox and
pinbox (newest first), the pinned queue; then the global queue. Goroutines by their numbers."""

    def run(self, argument):
        if argument and not re.fullmatch(r"[0-9]{1,2}", argument):
            raise gdb.GdbError("Say info runq, or info runq P with the number of a P.")
        view = View()
        if argument and int(argument) >= view.n_m:
            raise gdb.GdbError(f"There is no P {argument}: they go from 0 to {view.n_m - 1}.")
        for i, p in enumerate(view.ps):
            if not argument or i == int(argument):
                self.show_p(view, i, p)
        if not argument:
            self.show("global", view, self.linked(view.sched["global_head"], "the global queue"))

    def show_p(self, view, i, p):
        queue, wrong = ring(p)
        self.show(f"P {i} runnext", view, [p["runq"]["next"]] if int(p["runq"]["next"]) else [])
        self.show(f"P {i} ring", view, [view.g_of(tp) for tp in queue], wrong)
        for name, field in (("inbox", "inbox"), ("pinbox", "pinbox"), ("pinned", "pinned_head")):
            self.show(f"P {i} {name}", view, self.linked(p[field], f"P {i}'s {name}"))

    @staticmethod
    def linked(first, what):
        return list(linked(first, lambda at: struct_at(at, "g")["link"], what))

    @staticmethod
    def show(name, view, gs, wrong=""):
        if not gs and not wrong and name != "global":
            return
        text = " ".join(view.short(g) for g in gs[:SHOWN_MAX])
        more = f" … and {len(gs) - SHOWN_MAX} more" if len(gs) > SHOWN_MAX else ""
        print(f"  {name + ':':<14} {text or ('' if wrong else '(empty)')}{more}{wrong}")


class InfoTimers(Command):
    """All timers, by P and in the order of their times: a line each.

The time, in seconds since boot, and what it is: the sleep of a goroutine, a function to be started
(time_after_func), a channel of a timer or ticker that somebody waits for."""

    def run(self, argument):
        self.no_words(argument)
        view, total = View(), 0
        for i, p in enumerate(view.ps):
            heap, n = p["timers"]["heap"], int(p["timers"]["n"])
            if n > min(int(p["timers"]["cap"]), LIST_MAX):
                print(f"  P {i}: {n} timers, which makes no sense")
                continue
            entries = sorted((int(heap[k]["when"]), int(heap[k]["node"])) for k in range(n))
            for when, node in entries[:SHOWN_MAX]:
                print(f"  P {i:<3} {when // 10**9}.{when % 10**9:09}s  {timer_kind(view, node)}")
            if n > SHOWN_MAX:
                print(f"  P {i:<3} … and {n - SHOWN_MAX} more")
            total += n
        if total == 0:
            print("No timer is set.")


def function_at(address):
    """(name, file) of a function; static ones are told apart by their files."""
    block = gdb.block_for_pc(int(address))
    function = block.function if block is not None else None
    return (function.name, function.symtab.filename) if function else (f"{int(address):#x}", "")


def timer_kind(view, address):
    try:
        node = struct_at(address, "timer_node")
        name, file = function_at(int(node["fire"]) or int(node["begin"]))
        if (name, file) == ("sleep_over", "sched/timer.c"):
            return f"sleep of goroutine {view.short(struct_at(address, 'sleeper')['g'])}"
        if (name, file) == ("begin_fn", "sched/alarm.c"):
            return f"starts {function_at(struct_at(address, 'alarm')['fn'])[0]}"
        if (name, file) == ("fire", "sched/timechan.c"):
            return f"channel {address - offset_of('timechan', 'node'):#x}"
        return f"calls {name}"
    except gdb.MemoryError:
        return f"{address:#x}, which cannot be read"


# ---- channels

class Channels:
    """The channels that somebody waits for.

    No list has them all, and a waiter does not say what it waits for, but a channel points to the
    first of those who wait. So: the records of those who wait lie on their stacks, and are found by
    the pointer to their goroutine in them. A select's lead to its cases, and these name their
    channels. From another the way goes to the first in its queue, and the channel is what points to
    that: it is looked for in the program's variables and in the heap, where chan_make puts them."""

    REASONS = "chan receive", "chan send", "select"

    def __init__(self, view):
        self.view = view
        self.by_address = {}  # channel -> [(goroutine's number, "receives" or "sends", in a select)]
        self.lost = []        # goroutines whose channel was not found
        self.record = struct_type("chan_waiter").sizeof
        waiting = [g for g in view.goroutines() if view.state(g) in self.REASONS]
        heads = {}
        for g in waiting:
            try:
                self.place(g, heads)
            except (gdb.MemoryError, gdb.GdbError):
                self.lost.append(int(g["id"]))
        self.find_heads(heads)

    def add(self, chan, g, receives, select):
        self.by_address.setdefault(chan, []).append(
            (int(g["id"]), "receive" if receives else "send", select))

    def place(self, g, heads):
        with selection_kept():
            regs = self.view.registers(g)[1]
            sp, hi = regs[self.view.isa.SP] & ~7, int(g["stack"]["hi"])
            if not 0 < hi - sp <= STACK_MAX:
                raise gdb.MemoryError
            self.view.switch_to_seer(g, sp)
            stack = words_at(sp, (hi - sp) // 8)
            select = self.view.state(g) == "select"
            find = self.find_selection if select else self.find_waiter
            if not find(g, sp, hi, stack, heads):
                self.lost.append(int(g["id"]))

    def records(self, g, sp, stack):
        """What may be records of g on its stack."""
        return [struct_at(sp + 8 * i, "chan_waiter") for i in range(len(stack) - self.record // 8 + 1)
                if stack[i] == address_of(g)]

    def find_waiter(self, g, sp, _hi, stack, heads):
        receives = self.view.state(g) == "chan receive"
        for w in self.records(g, sp, stack):
            if int(w["won"]) == 0 and self.is_linked(w):
                heads.setdefault((self.first(w), receives), []).append(g)
                return True
        return False

    @staticmethod
    def is_linked(w):
        try:
            return all(int(w[there]) == 0 or
                       int(struct_at(w[there], "chan_waiter")[back]) == address_of(w)
                       for there, back in (("next", "prev"), ("prev", "next")))
        except gdb.MemoryError:
            return False

    @staticmethod
    def first(w):
        *_, last = linked(address_of(w), lambda at: struct_at(at, "chan_waiter")["prev"],
                          "a channel's queue")
        return last

    def find_selection(self, g, sp, hi, stack, _heads):
        for w in self.records(g, sp, stack):
            for kind, add in (("two", self.add_two), ("selection", self.add_cases)):
                at = int(w["won"]) - offset_of(kind, "won")
                if sp <= at < hi and add(g, at):
                    return True
        # The records of many cases are in the heap.
        n_at, waiters_at = (offset_of("selection", f) // 8 for f in ("n", "waiters"))
        for i in range(len(stack) - struct_type("selection").sizeof // 8):
            if 64 < stack[i + n_at] & 0xffffffff <= 65536 and stack[i + waiters_at] % 8 == 0 and \
                    self.add_cases(g, sp + 8 * i):
                return True
        return False

    def add_two(self, g, at):
        """A select of two (struct two at the address): it has not noted what is sent or received."""
        two = struct_at(at, "two")
        pairs = ((two["c1"], two["w1"]), (two["c2"], two["w2"]))
        if any(int(w["g"]) != address_of(g) or int(w["won"]) != at + offset_of("two", "won") or
               not self.is_channel(int(c)) for c, w in pairs):
            return False
        for c, w in pairs:
            receivers = struct_at(c, "chan")["receivers"]
            self.add(int(c), g, int(receivers["first"]) == self.first(w), True)
        return True

    def is_selection(self, g, at):
        try:
            s = struct_at(at, "selection")
            records = (s["waiters"][i] for i in range(int(s["n"])) if int(s["list"][i]["c"]) != 0)
            w = next(records, None)
            return w is not None and int(w["g"]) == address_of(g) and \
                int(w["won"]) == at + offset_of("selection", "won")
        except gdb.MemoryError:
            return False

    def add_cases(self, g, at):
        if not self.is_selection(g, at):
            return False
        s = struct_at(at, "selection")
        for i in range(int(s["n"])):
            case = s["list"][i]
            if int(case["c"]) != 0:
                self.add(int(case["c"]), g, str(case["dir"]) == "SELECT_RECV", True)
        return True

    def find_heads(self, heads):
        at = {True: offset_of("chan", "receivers", "first"), False: offset_of("chan", "senders", "first")}
        self.match(heads, at, list(self.by_address))
        wanted = {head for head, _ in heads}
        for start, size in self.regions() if heads else ():
            if not heads:
                break
            hits = [start + 8 * i for i, word in enumerate(words_at(start, size // 8))
                    if word in wanted]
            self.match(heads, at, [hit - offset for hit in hits for offset in at.values()])
        for gs in heads.values():
            self.lost += [int(g["id"]) for g in gs]

    def match(self, heads, at, candidates):
        """Of the candidates, those that are channels whose queues begin with one of heads."""
        for chan in candidates:
            if not self.is_channel(chan):
                continue
            for receives, offset in at.items():
                for g in heads.pop((words_at(chan + offset, 1)[0], receives), ()):
                    self.add(chan, g, receives, False)

    @staticmethod
    def is_channel(address):
        try:
            c = struct_at(address, "chan")
        except gdb.MemoryError:
            return False
        slots, end = address + c.type.sizeof, int(c["end"])
        return address % 16 == 0 and end == slots + int(c["elem_size"]) * int(c["cap"]) and \
            all(slots <= int(c[f]) <= end for f in ("put", "take")) and \
            int(c["count"]) <= int(c["cap"])

    @staticmethod
    def regions():
        """(start, size) of the program's variables and of the heap's pages (kernel/span.c)."""
        start, end = label("__data_start"), label("__bss_end")
        if start is not None and end is not None:
            yield start, end - start
        heap = variable("span_map")
        pages, first, page = int(heap["pages"]), int(heap["first"]), 4096
        used = memory(int(heap["class"]), min(pages, 1 << 26))
        total = 0
        for run in re.finditer(rb"[^\0]+", used, re.S):
            size = (run.end() - run.start()) * page
            total += size
            if total > SEARCH_MAX:
                print(f"(only {SEARCH_MAX >> 20} MiB of the heap have been looked through)")
                return
            yield (first + run.start()) * page, size


class InfoChans(Command):
    """Channels that goroutines wait for: a line each.

What GDB prints of a channel, and who waits: those that receive and those that send, in no certain
order; those of a select are marked so."""

    def run(self, argument):
        self.no_words(argument)
        view = View()
        channels = Channels(view)
        for address, waiters in sorted(channels.by_address.items()):
            text = "; ".join(
                f"{way}: " + " ".join(f"{n} (select)" if select else str(n)
                                      for n, how, select in sorted(waiters) if how == way)
                for way in ("receive", "send") if any(w[1] == way for w in waiters))
            print(f"  {address:#x} {describe_chan(struct_at(address, 'chan'))}; {text}")
        if channels.lost:
            print("  These wait for channels that were not found: "
                  + " ".join(map(str, sorted(channels.lost))))
        if not channels.by_address and not channels.lost:
            print("No goroutine waits for a channel.")


# ---- one line for a struct

def describe_chan(c):
    size, cap = int(c["elem_size"]), int(c["cap"])
    if int(c["kind"]) == 6:  # CHAN_TIMES
        return "a timer's"
    return f"elements of {size} bytes, {int(c['count'])} of {cap} buffered" + \
        (", closed" if int(c["closed"]) else "")


def describe_g(g):
    if int(g["status"]) == G_DEAD:
        return "goroutine (dead)"
    if int(g["id"]) == 0:
        return "scheduler's context"
    try:
        return f"goroutine {int(g['id'])} [{View().state(g)}]{named(g)}"
    except gdb.GdbError:
        return f"goroutine {int(g['id'])}{named(g)}"


def describe_m(m):
    p = int(m["p"])
    return f"M {int(m['id'])}, hart id {int(m['hart']['hwid']):#x}, " + \
        (f"P {int(struct_at(p, 'p')['id'])}" if p != 0 else "no P")


def describe_p(p):
    word = int(p["status"]) & 0xff
    queued = len(ring(p)[0]) + (int(p["runq"]["next"]) != 0)
    return f"P {int(p['id'])} {P_STATES[word] if word < len(P_STATES) else '?'}, " \
           f"queued {queued}, timers {int(p['timers']['n'])}"


def describe_mutex(m):
    state = int(m["state_"])  # sched/mutex.c
    words = ["locked" if state & 1 else "unlocked"]
    words += ["goroutines wait"] if state & 2 else []
    words += ["one is on its way"] if state & ~3 else []
    return ", ".join(words)


def describe_timer_node(t):
    index = int(t["index"])
    if index >= (1 << 32) - 2 or int(t["p"]) == 0:  # TIMER_BEGUN, TIMER_NOT_QUEUED
        return "timer, not queued"
    name = function_at(int(t["fire"]) or int(t["begin"]))[0]
    return f"timer, queued on P {int(struct_at(t['p'], 'p')['id'])} as number {index}, {name}"


# By tag, with a member by which ours are told from a program's own of that name.
DESCRIBED = {"g": (describe_g, "wait_reason"), "m": (describe_m, "slice_mark"),
             "p": (describe_p, "runq"), "chan": (describe_chan, "receivers"),
             "mutex": (describe_mutex, "state_"), "timer_node": (describe_timer_node, "begin")}


class OneLine:
    def __init__(self, value, describe):
        self.value, self.describe = value, describe

    def to_string(self):
        try:
            return f"{{{self.describe(self.value)}}}"
        except (gdb.error, gdb.GdbError):
            return "{cannot be read; p/r shows what is there}"


def one_line(value):
    kind = value.type.strip_typedefs()
    if kind.code != gdb.TYPE_CODE_STRUCT or kind.tag not in DESCRIBED:
        return None
    describe, member = DESCRIBED[kind.tag]
    return OneLine(value, describe) if member in kind.keys() else None


one_line.name = "pinion"


class Pinion(Command):
    """Goroutines of a Pinion program.

info goroutines           all goroutines, a line each
goroutine N COMMAND       a command, such as bt, in the place of one; all: of each
info ps, info ms          Ps and harts
info runq [P]             what is runnable, in the order of the queues
info chans                channels that are waited for, and by whom
info timers               timers

A struct g, m, p, chan, mutex or timer_node is printed in one line; p/r shows all of it."""
    KIND = gdb.COMMAND_SUPPORT

    def run(self, argument):
        print(self.__doc__)


def install():
    Pinion("pinion")
    InfoGoroutines("info goroutines")
    Goroutine("goroutine", gdb.COMPLETE_COMMAND)
    InfoPs("info ps")
    InfoMs("info ms")
    InfoRunq("info runq")
    InfoChans("info chans")
    InfoTimers("info timers")
    gdb.pretty_printers[:] = [p for p in gdb.pretty_printers if getattr(p, "name", "") != "pinion"]
    gdb.pretty_printers.insert(0, one_line)
    TRAPS.find()


install()
