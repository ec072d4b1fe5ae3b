"""The decoder of the serial line (tools/pinionlib.py): wherever reads cut the bytes, the same comes out."""
import os
import random
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import pinionlib  # noqa: E402


def decode(pieces):
    decoder = pinionlib.Decoder()
    streams = {1: b"", 2: b"", 3: b""}
    for piece in pieces:
        for stream, data in decoder.feed(piece):
            streams[stream] += data
    return streams[1], streams[2] + streams[3].upper(), decoder.status


def cut(data, rng):
    pieces = []
    while data:
        n = rng.randint(1, 5)
        pieces.append(data[:n])
        data = data[n:]
    return pieces


CASES = [
    # line, stdout, stderr and files in capitals, exit value
    (b"firmware\n", b"", b"firmware\n", None),
    (b"boot\n\x0eout\n\x0ferr\n\x0emore\n", b"out\nmore\n", b"boot\nerr\n", None),
    (b"\x0e\x10N\x10O\x10P\n", b"\x0e\x0f\x10\n", b"", None),
    (b"\x0eE3\n\x10E17\n", b"E3\n", b"", 17),
    (b"\x0ehalf a line\x10E0\n", b"half a line", b"", 0),
    (b"\x0eout\r\n\x10E4\r\n", b"out\r\n", b"", 4),
    (b"\x0e\x10E255\n\x0fsbi: off\n", b"", b"sbi: off\n", 255),
    (b"\x0e\x10E-1\n", b"", b"", 255),
    (b"boot\n\x0eout\n\x10Ffile\n\x0e\x10N\n\x10Fa\x10P\x0f", b"out\n\x0e\n", b"boot\nFILE\nA\x10", None),
    (b"\x0e\x10Exyz\nabc\n", b"\x10Exyz\nabc\n", b"", None),
    (b"\x0e\x10Q\n", b"\x10Q\n", b"", None),
    (b"\x0e" + bytes(range(0x20, 0x100)) * 9, bytes(range(0x20, 0x100)) * 9, b"", None),
]


def main():
    failed = 0
    rng = random.Random(1)
    for line, out, err, status in CASES:
        tries = [[line], [line[i:i + 1] for i in range(len(line))]]
        tries += [cut(line, rng) for _ in range(50)]
        for pieces in tries:
            got = decode(pieces)
            if got != (out, err, status):
                print(f"{pieces}: {got}, not {(out, err, status)}")
                failed = 1
                break
    return failed


sys.exit(main())
