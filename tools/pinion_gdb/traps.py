"""From a trap's handler to what it interrupted."""
import gdb
import gdb.unwinder

from pinion_gdb.isa import isa
from pinion_gdb.program import forget, struct_at


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
        forget()
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
        for name, value in regs.items():
            now = pending.read_register(name)
            info.add_saved_register(name, now if name in kind.KEPT
                                    else gdb.Value(value).cast(now.type))
        return info


TRAPS = TrapUnwinder()


def install():
    gdb.unwinder.register_unwinder(None, TRAPS, replace=True)
    gdb.events.new_objfile.connect(TRAPS.find)
    TRAPS.find()
