"""Is an ELF the image that ran? The runtime takes a check sum of its code as it lies in memory
(crash_image in sched/crash.c), for crash reports and for traces."""
import struct
import zlib


class BadElf(Exception):
    """The file is of no use; says why, without its name."""


def code_of(data):
    """(address, bytes) of what the check sum is of."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise BadElf("not a 64-bit little-endian ELF")
    found = None
    try:
        at, = struct.unpack_from("<Q", data, 40)
        size, count, names = struct.unpack_from("<3H", data, 58)
        heads = [struct.unpack_from("<IIQQQQ", data, at + i * size) for i in range(count)]
        strings = heads[names][4]
        for name, _, _, address, offset, length in heads:
            if bytes(data[strings + name:strings + name + 13]) == b".pinion_text\0":
                return address, bytes(data[offset:offset + length])  # BOARD=host: .text is the linker's
            if bytes(data[strings + name:strings + name + 6]) == b".text\0":
                found = address, bytes(data[offset:offset + length])
    except (struct.error, IndexError):
        raise BadElf("damaged") from None
    if found is None:
        raise BadElf("without code")
    return found


def difference(code, length, crc):
    """None: this code ran. Else what differs, for people."""
    real = zlib.crc32(code[1])
    if len(code[1]) == length and real == crc:
        return None
    return (f"what ran has {length} bytes of code, crc32 {crc:#010x}; this one has {len(code[1])} bytes, "
            f"crc32 {real:#010x}")
