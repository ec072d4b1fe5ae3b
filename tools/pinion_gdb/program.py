"""The program: its memory, symbols, types and lists, as GDB knows them."""
import functools
import re
import struct

import gdb

G_RUNNABLE, G_RUNNING, G_SYSCALL, G_WAITING, G_DEAD = 1, 2, 3, 4, 6  # enum g_status
LIST_MAX = 1 << 20  # of what is linked
FRAMES_MAX = 64


def memory(address, size):
    return gdb.selected_inferior().read_memory(address, size).tobytes()


def words_at(address, n):
    return struct.unpack(f"<{n}Q", memory(address, 8 * n))


def words_near(start, end):
    """words_at, for those who read many of [start, end): what lies next to start is read once."""
    try:
        size = min(end - start, 1024) & ~7
        near = struct.unpack(f"<{size // 8}Q", memory(start, size))
    except (gdb.MemoryError, struct.error, OverflowError, ValueError):
        return words_at

    def read(address, n):
        i = (address - start) // 8
        if address % 8 == 0 and 0 <= i <= len(near) - n:
            return near[i:i + n]
        return words_at(address, n)
    return read


def readable(address):
    try:
        return bool(memory(address, 8))
    except gdb.MemoryError:
        return False


@functools.lru_cache(maxsize=None)
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
    return symbol_of(name, file).value()


@functools.lru_cache(maxsize=None)
def symbol_of(name, file):
    found = gdb.lookup_static_symbols(name) if file else [gdb.lookup_global_symbol(name)]
    for symbol in found:
        if symbol is not None and (file is None or symbol.symtab.filename.endswith(file)):
            return symbol
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


def state(g):
    """In the words of a traceback (sched/traceback.c)."""
    status = int(g["status"])
    if status in (G_RUNNING, G_SYSCALL):
        hart = int(struct_at(g["m"], "m")["id"])
        return f"{'running' if status == G_RUNNING else 'syscall'} (hart {hart})"
    if status == G_RUNNABLE:
        return "runnable"
    if status != G_WAITING:
        return f"status {status}"
    return wait_name(int(g["wait_reason"]))


@functools.lru_cache(maxsize=None)
def wait_name(reason):
    names = variable("wait_names", "traceback.c")
    return names[reason].string() if reason <= names.type.range()[1] else "waiting"


def named(g):
    try:
        return f' "{g["name"].string()}"' if int(g["name"]) != 0 else ""
    except gdb.error:
        return ""


def forget():
    """There is another program: nothing that was looked up holds any more."""
    for looked_up in (label, where, symbol_of, struct_type, wait_name):
        looked_up.cache_clear()
