"""Lines of files that a machine sends over its console (sched/line.c), each with a check sum of its own:

    %pinion-NAME WORD WORD … #CRC

with anything between two lines, in front of one, and carriage returns behind.
"""
import re
import zlib

LINE = re.compile(rb"%pinion-[a-z]+ ([^#\r\n]*) #([0-9a-f]{8})\r?$")


class Frames:
    """feed() it bytes as they come; take() is called with the words of each line of that name that is
    undamaged, and raises ValueError or IndexError if they make no sense. damaged counts the others."""

    def __init__(self, name):
        self.mark, self.rest, self.damaged = b"%%pinion-%s " % name.encode(), b"", 0

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.line(line)

    def line(self, line):
        at = line.find(self.mark)
        if at < 0:
            return
        match = LINE.match(line, at)
        if match is None or zlib.crc32(line[at:match.start(2) - 2]) != int(match.group(2), 16):
            self.damaged += 1
            return
        try:
            self.take(match.group(1).decode("ascii").split())
        except (ValueError, IndexError):
            self.damaged += 1

    def take(self, words):
        raise NotImplementedError
