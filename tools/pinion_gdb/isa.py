"""What differs from one instruction set to the next: where a goroutine's registers are, and what
leads from a function to its caller."""
import gdb

from pinion_gdb.program import G_WAITING, address_of, label, struct_at, words_at


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

    @staticmethod
    def step(words, fp, lo, hi):
        """(pc, fp) of the caller, from fp (arch_unwind); None: that was the last. words: words_at."""
        if fp % 8 != 0 or not lo + 16 <= fp <= hi:
            return None
        up, pc = words(fp - 16, 2)
        return None if pc == 0 or (up != 0 and up <= fp) else (pc, up)

    def step_from_trap(self, words, regs, lo, hi):
        """As step, from any instruction (arch_frame_caller): a leaf has not stored ra."""
        fp = regs["x8"]
        if fp % 8 == 0 and fp >= max(regs["x2"] + 8, lo + 16) and fp <= hi:
            word = words(fp - 8, 1)[0]
            if fp <= word <= hi:
                return regs["x1"], word
        return self.step(words, fp, lo, hi)


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

    @staticmethod
    def step(words, fp, lo, hi):
        if fp % 8 != 0 or not lo <= fp <= hi - 16:
            return None
        up, pc = words(fp, 2)
        return None if pc == 0 or (up != 0 and up <= fp) else (pc, up)

    def step_from_trap(self, words, regs, lo, hi):
        return self.step(words, regs["x29"], lo, hi)


def isa():
    """That of the program."""
    name = gdb.selected_inferior().architecture().name()
    for kind in (Riscv, Arm64):
        if kind.NAME in name:
            return kind()
    raise gdb.GdbError(f"Goroutines of RISC-V and AArch64 boards can be shown, not of {name}.")
