"""Names for addresses, from the ELF alone: its symbol table, and addr2line for file and line.

The trace says where the image's text began; an ELF that was linked elsewhere is shifted by that.
Without an ELF every address is its own name.
"""
import shutil
import struct
import subprocess
from bisect import bisect_right

import pinionelf
from pinionelf import BadElf
from tracelib.records import text_of

# By the ELF's machine: who may know its lines.
ADDR2LINE = {
    243: ("riscv64-unknown-elf-addr2line", "riscv64-linux-gnu-addr2line", "llvm-addr2line"),
    183: ("aarch64-linux-gnu-addr2line", "aarch64-none-elf-addr2line", "llvm-addr2line"),
    62: ("addr2line", "llvm-addr2line"),
}
SHT_SYMTAB, STT_FUNC, STT_NOTYPE, PT_LOAD, PF_X, SHF_EXECINSTR = 2, 2, 0, 1, 1, 4


class OtherElf(BadElf):
    """Of another program, or another build."""


class Elf:
    """A 64-bit little-endian ELF's functions and where its code lies."""

    def __init__(self, data):
        if data[:6] != b"\x7fELF\x02\x01":
            raise BadElf("not a 64-bit little-endian ELF")
        try:
            self.machine, = struct.unpack_from("<H", data, 18)
            self.code = self._code(data)
            self.functions = self._functions(data)
        except (struct.error, IndexError) as error:
            raise BadElf(f"damaged: {error}") from error

    @staticmethod
    def _code(data):
        offset, = struct.unpack_from("<Q", data, 32)
        size, n = struct.unpack_from("<HH", data, 54)
        code = []
        for i in range(n):
            kind, flags, _, address, _, _, length = struct.unpack_from("<IIQQQQQ", data,
                                                                       offset + i * size)
            if kind == PT_LOAD and flags & PF_X:
                code.append((address, address + length))
        return code

    @staticmethod
    def _functions(data):
        """Sorted (address, end or 0 if unknown, name)."""
        offset, = struct.unpack_from("<Q", data, 40)
        size, n = struct.unpack_from("<HH", data, 58)
        sections = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size) for i in range(n)]
        found = {}
        for section in sections:
            if section[1] != SHT_SYMTAB:
                continue
            names = sections[section[6]]
            text = bytes(data[names[4]:names[4] + names[5]])
            table = data[section[4]:section[4] + section[5] // 24 * 24]
            for name, info, _, index, value, length in struct.iter_unpack("<IBBHQQ", table):
                if info & 15 not in (STT_FUNC, STT_NOTYPE) or not 0 < index < n:
                    continue
                if not sections[index][2] & SHF_EXECINSTR or text[name:name + 1] in (b"$", b"."):
                    continue
                # Where several begin at one place, the function with the longest body names it.
                new = (info & 15 == STT_FUNC, length, text[name:text.index(b"\0", name)])
                found[value] = max(found.get(value, new), new)
        return sorted((at, at + length if length else 0, text_of(name))
                      for at, (_, length, name) in found.items() if name)


class Symbols:
    """Names for addresses of a run; asks addr2line once for all of them (look_up)."""

    def __init__(self, path=None, base=0, code=None):
        """code: (bytes, CRC) of what ran, OtherElf if the ELF's is not that; None or 0 bytes: nobody knows."""
        self.shift, self.elf, self.path, self.lines, self.names = 0, None, path, {}, {}
        if path is None:
            return
        with open(path, "rb") as file:
            data = memoryview(file.read())
        self.elf = Elf(data)
        other = pinionelf.difference(pinionelf.code_of(data), *code) if code and code[0] else None
        if other is not None:
            raise OtherElf(f"not the program that was traced: {other}")
        self.starts = [function[0] for function in self.elf.functions]
        if base and self.elf.code and not any(low <= base < high for low, high in self.elf.code):
            self.shift = base - min(low for low, _ in self.elf.code)

    def function(self, pc):
        """The function that pc lies in, or the address."""
        if pc in self.names:
            return self.names[pc]
        name = f"{pc:#x}"
        if self.elf is not None:
            at = pc - self.shift
            i = bisect_right(self.starts, at) - 1
            if i >= 0 and (at < self.elf.functions[i][1] or not self.elf.functions[i][1]):
                name = self.elf.functions[i][2]
        self.names[pc] = name
        return name

    def look_up(self, pcs):
        """File and line of all of them, if an addr2line is here that knows this machine."""
        pcs = sorted(set(pcs) - self.lines.keys())
        tool = next(filter(None, map(shutil.which, ADDR2LINE.get(self.elf.machine, ()))),
                    None) if self.elf is not None else None
        if tool is None or not pcs:
            return
        words = "".join(f"{pc - self.shift:#x}\n" for pc in pcs)
        done = subprocess.run([tool, "-e", self.path], input=words, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        for pc, answer in zip(pcs, done.stdout.splitlines()):
            file, _, line = answer.partition(" (")[0].rpartition(":")
            if file and file != "??":
                self.lines[pc] = (file, int(line) if line.isdigit() else 0)

    def line(self, pc):
        """(file, line); ("", 0) if nobody knows."""
        return self.lines.get(pc, ("", 0))

    def where(self, pc):
        """function (file.c:12), for people."""
        file, line = self.line(pc)
        name = self.function(pc)
        return f"{name} ({file.rpartition('/')[2]}:{line})" if file else name
