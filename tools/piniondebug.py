"""A run under GDB: QEMU with its stub, and GDB that knows goroutines (tools/pinion-gdb.py)."""
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pinionlib

SECONDS_TO_START = 30  # QEMU's, until a debugger can connect


class Debugged:
    """A Guest under a debugger, for a with statement: QEMU runs, halted, in a thread of ours, and
    command is what connects GDB with our script loaded. A socket in a folder of our own: no port
    can be another's. At the end QEMU is ended; result is then Guest.run's, or None if we did that."""

    def __init__(self, settings, words, out, err, debugger):
        self.folder = tempfile.TemporaryDirectory(prefix="pinion-gdb-")
        link = os.path.join(self.folder.name, "stub")
        timeout = float(words.get("TIMEOUT") or "0") or None
        halted = {**words, "GDB": f"unix:{link},server=on,wait=off"}
        self.guest = pinionlib.Guest(pinionlib.qemu_command(settings, halted), out, err, timeout=timeout)
        elf = os.path.join(pinionlib.TREE, settings["elf"])
        connect = [elf, "-ex", f"target remote {link}"]
        if "process" in settings:  # a board whose harts are another process to GDB than the first
            steps = (f"target extended-remote {link}", "add-inferior", "inferior 2",
                     f"attach {settings['process']}", "set schedule-multiple on", f"file {elf}")
            connect = [word for step in steps for word in ("-ex", step)]
        self.command = [*debugger, "-q", "-ex",
                        "source " + os.path.join(pinionlib.TREE, "tools", "pinion-gdb.py"), *connect]
        self.link, self.result = link, None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        self.result = self.guest.run()

    def __enter__(self):
        self.thread.start()
        ends = time.monotonic() + SECONDS_TO_START
        while not os.path.exists(self.link) and self.thread.is_alive() and time.monotonic() < ends:
            time.sleep(0.02)
        return self

    def ended(self, seconds):
        """Has the machine ended by itself, or does it within so many seconds?"""
        self.thread.join(seconds)
        return not self.thread.is_alive()

    def __exit__(self, *_):
        ours = not self.ended(0)
        if ours and self.guest.process is not None:
            self.guest.process.kill()  # its thread hears of it and ends
        self.thread.join()
        if ours:
            self.result = None
        self.folder.cleanup()


def debug_here(settings, words, debugger):
    """`make gdb`: QEMU, and GDB at this terminal until the user quits it. Its exit value."""
    if "host" in settings:
        print(f"pinion-run: BOARD=host needs no QEMU: gdb --args {settings['host']}",
              file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is GDB's
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    out, err = pinionlib.writer(1), pinionlib.writer(2)
    with Debugged(settings, words, out, err, shlex.split(debugger)) as debugged:
        if debugged.result is not None:
            print(f"pinion-run: {debugged.result[1]}", file=sys.stderr)
            return debugged.result[0]
        try:
            with subprocess.Popen(debugged.command,
                                  preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
                                  ) as gdb:
                try:
                    status = gdb.wait()
                except BaseException:
                    gdb.kill()
                    raise
        except OSError as error:
            print(f"pinion-run: cannot start {debugger}: {error.strerror}; Debian's package is "
                  "gdb-multiarch, and DEBUGGER=… names another program", file=sys.stderr)
            return pinionlib.EXIT_NO_RUN
    return status if status >= 0 else 128 - status
