"""GDB's threads: which is selected, and whose registers are in it."""
import contextlib

import gdb


def number(frame, register):
    return int(frame.read_register(register)) & (1 << 64) - 1


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
    now = None  # the one there is

    def __init__(self, regs):
        self.regs, self.thread, self.ran = regs, gdb.selected_thread(), False
        frame = gdb.newest_frame()
        self.was = {name: number(frame, name) for name in regs}

    def write(self, regs):
        self.thread.switch()
        for name, value in regs.items():
            gdb.newest_frame().select()
            gdb.execute(f"set var ${name} = {value:#x}", to_string=True)

    def note(self, _event):
        self.ran = True

    def __enter__(self):
        gdb.events.cont.connect(self.note)
        Borrowed.now = self
        try:
            self.write(self.regs)
            gdb.newest_frame().select()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        gdb.events.cont.disconnect(self.note)
        Borrowed.now = None
        if self.ran or not self.thread.is_valid():
            print("The program has gone on with a goroutine's registers in the wrong hart: "
                  "what it does now means nothing. Start it again.")
            return
        self.write(self.was)
        frame = gdb.newest_frame()
        frame.select()
        wrong = [name for name, was in self.was.items() if number(frame, name) != was]
        if wrong:
            print(f"These registers of thread {self.thread.num} could not be put back: {wrong}")
