"""Runs an image: under QEMU, or as a program of this computer (BOARD=host).

Under QEMU, what comes over its one serial line is taken apart.

The guest, told by the word pinion.host=1 in its boot arguments, frames its output (console.c):

    SO  0x0e    what follows is the program's standard output
    SI  0x0f    what follows is its standard error, or boot messages
    DLE 0x10    then N, O or P: a data byte 0x0e, 0x0f or 0x10
                then F: what follows is what files are made of (pinionprofile.py)
                then E, decimal digits and a newline: the program's exit value
                (CR and newline where the line goes through OpenSBI, which adds it)

Until the first SO or SI, firmware or boot is talking; that counts as standard error. What the host's
standard input has goes to the guest once the guest is heard (a frame, or a boot message, which starts
with "pinion: "): firmware would lose it. A final 0x04 (Ctrl-D) says that it has ended. A byte 0x1c of
data goes as DLE and 0x5c, and one of 0x10 as DLE and 0x50; 0x1c by itself is Ctrl-\.
"""
import contextlib
import fcntl
import os
import re
import selectors
import shlex
import signal
import subprocess
import sys
import termios
import time

import pinionprofile

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

EXIT_PANIC = 2
EXIT_TIMEOUT = 124
EXIT_NO_RUN = 125
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141

TRACE_RECORDS = 200000  # a hart, where TRACE is given and ARGS does not say
SERIAL_RECORDS = 2000   # … but over the console: some 7 s a hart at 115200 baud
SECONDS_TO_POWER_OFF = 1  # sifive_u never does: its firmware knows no way
END_OF_INPUT = b"\x04"
QUIT = b"\x1c"  # Ctrl-\: not data, but a wish for all goroutines' tracebacks
BOOT_MESSAGE = b"pinion: "

# PROFILE=…: the setting that asks for it, and its RATE by default.
PROFILES = {"cpu": ("pinion.cpuprofile", 100), "goroutine": ("pinion.goroutineprofile", 100),
            "heap": ("pinion.heapprofile", 512 << 10), "mutex": ("pinion.mutexprofile", 1),
            "block": ("pinion.blockprofile", 1)}

# Words that pinion-run itself needs; all others are make's, and make checks what they say.
RUN_WORDS = {"ARGS", "ICOUNT", "TIMEOUT", "GDB", "QEMU_ARGS", "TRACE", "PROFILE", "RATE"}
MAKE_WORDS = {"APP", "BOARD", "SMP", "MEM", "MODE", "MACHINE", "KERNEL", "TRAP", "BUILD", "V",
              "SANITIZE", "HOST_ISA", "CROSS_x86_64", "CROSS_aarch64", "QEMU_aarch64",
              "CROSS_riscv64", "CROSS_arm64", "QEMU_riscv64", "QEMU_arm64", "NEWLIB_SRC",
              "LIBFDT_SRC", "HOSTCC", "PYTHON"}


class Decoder:
    """Takes the serial line apart: feed() returns [(1, 2 or 3, bytes)], of standard output and error and
    of files; status is the exit value."""

    def __init__(self):
        self.stream = 2
        self.heard = False  # it is our kernel that talks
        self.before = b""   # the last bytes of what came earlier
        self.status = None
        self.rest = b""  # an escape of which the end is still to come

    def feed(self, data):
        pieces = []
        if not self.heard:
            self.before = self.before[-len(BOOT_MESSAGE):] + data
            self.heard = BOOT_MESSAGE in self.before
        data = self.rest + data
        self.rest = b""
        at = 0
        for mark in re.finditer(rb"[\x0e\x0f]|\x10(?:[FNOP]|E(-?[0-9]{1,9})\r?\n|.)?", data, re.S):
            if mark.start() < at:
                continue
            text = mark.group()
            if mark.start() > at:
                pieces.append((self.stream, data[at:mark.start()]))
            at = mark.end()
            if text in (b"\x0e", b"\x0f"):
                self.stream = 1 if text == b"\x0e" else 2
                self.heard = True
            elif text[1:] == b"F":
                self.stream = 3
            elif text[1:] in (b"N", b"O", b"P"):
                pieces.append((self.stream, bytes([text[1] ^ 0x40])))
            elif mark.group(1) is not None:
                self.status = int(mark.group(1)) & 0xff
            elif b"\n" not in data[mark.start():] and len(data) - mark.start() < 16:
                self.rest = data[mark.start():]
                return pieces
            else:  # not an escape: show it
                pieces.append((self.stream, text))
        if at < len(data):
            pieces.append((self.stream, data[at:]))
        return pieces


def wrong_word(words):
    """A sentence about the first of the run's own words that makes no sense; None: all do."""
    timeout, gdb = words.get("TIMEOUT") or "0", words.get("GDB") or "0"
    if words.get("ICOUNT", "0") not in ("0", "1"):
        return f"ICOUNT='{words['ICOUNT']}': give 0 or 1"
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", timeout, re.A):
        return f"TIMEOUT='{timeout}': give seconds"
    if not re.fullmatch(r"[0-9]{1,5}", gdb, re.A) or int(gdb) > 65535:
        return f"GDB='{gdb}': give 1, or a port"
    if words.get("PROFILE", "") not in ("", *PROFILES):
        return f"PROFILE='{words['PROFILE']}': give one of {', '.join(PROFILES)}"
    if not re.fullmatch(r"[0-9]{0,7}", words.get("RATE", ""), re.A):
        return f"RATE='{words['RATE']}': give a number"
    if not re.fullmatch(r"[\w./+@,~-]+", words.get("BUILD", "build"), re.A):
        return f"BUILD='{words['BUILD']}': that is no name for a folder here"
    if re.search(r"\s", words.get("TRACE", "")):
        return f"TRACE='{words['TRACE']}': a file's name without blanks is needed"
    try:
        shlex.split(words.get("QEMU_ARGS", ""))
    except ValueError as error:
        return f"QEMU_ARGS='{words['QEMU_ARGS']}': {str(error).lower()}"
    return None


def by_serial(words):
    """Does a trace come over the console?"""
    return "pinion.tracefile=serial" in words.get("ARGS", "").split()


def program_words(words):
    """ARGS, and what TRACE and PROFILE add to it. The trace is on, unless ARGS says how, and goes to
    that file, unless it comes over the console."""
    found = words.get("ARGS", "").split()
    if words.get("TRACE"):
        if not any(word.split("=")[0] == "pinion.trace" for word in found):
            found.append(f"pinion.trace={SERIAL_RECORDS if by_serial(words) else TRACE_RECORDS}")
        if not by_serial(words):
            found.append(f"pinion.tracefile={words['TRACE']}")
    if words.get("PROFILE"):
        setting, rate = PROFILES[words["PROFILE"]]
        found.append(f"{setting}={words.get('RATE') or rate}")
    return found


def qemu_command(settings, words):
    """The whole QEMU command for make's settings and the run's own words."""
    command = shlex.split(settings["qemu"])
    if words.get("TRACE") and not by_serial(words):
        command += ["-semihosting-config", "enable=on,target=native"]
    command += ["-display", "none", "-monitor", "none", "-no-reboot",
                "-chardev", "stdio,id=link,signal=off", "-serial", "chardev:link"]
    if words.get("ICOUNT", "0") == "1":
        command += ["-icount", "shift=0,sleep=off"]
    else:
        command += ["-accel", "tcg,thread=multi"]
    gdb = words.get("GDB", "")
    if gdb not in ("", "0"):
        command += ["-gdb", gdb if ":" in gdb else "tcp::" + ("1234" if gdb == "1" else gdb), "-S"]
    command += shlex.split(words.get("QEMU_ARGS", ""))
    return command + ["-append", " ".join(["pinion.host=1", *program_words(words)])]


def as_data(data):
    """Input as the guest takes it for what it is."""
    return re.sub(rb"[\x10\x1c]", lambda m: bytes((0x10, m.group()[0] ^ 0x40)), data)


class Native:
    """One run of a program on the host board, with the face of Guest. out and err are called with
    bytes as they come; None: the program has our own streams."""

    def __init__(self, settings, words, out=None, err=None, timeout=None, folder=None):
        self.command = shlex.split(settings["host"]) + program_words(words)
        self.out, self.err, self.timeout, self.folder = out, err, timeout, folder
        self.process = None

    def run(self):
        """Runs to the end; returns (exit value, a sentence or None)."""
        piped = self.out is not None
        try:
            self.process = subprocess.Popen(self.command, cwd=self.folder,
                                            stdin=subprocess.DEVNULL if piped else None,
                                            stdout=subprocess.PIPE if piped else None,
                                            stderr=subprocess.PIPE if piped else None)
        except OSError as error:
            return EXIT_NO_RUN, f"cannot start {self.command[0]}: {error.strerror}"
        ends = None if self.timeout is None else time.monotonic() + self.timeout
        try:
            if piped:
                self.listen(ends)
            status = self.process.wait(None if ends is None else max(0, ends - time.monotonic()))
            return (status if status >= 0 else 128 - status), None
        except subprocess.TimeoutExpired:
            return EXIT_TIMEOUT, f"no end after {self.timeout:g} seconds (TIMEOUT)"
        finally:
            self.stop()

    def listen(self, ends):
        """Passes on what the program says, until it has closed both streams."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ, self.out)
            selector.register(self.process.stderr, selectors.EVENT_READ, self.err)
            while selector.get_map():
                left = None if ends is None else ends - time.monotonic()
                if left is not None and left <= 0:
                    raise subprocess.TimeoutExpired(self.command, self.timeout)
                for key, _ in selector.select(left):
                    data = os.read(key.fd, 65536)
                    if data:
                        key.data(data)
                    else:
                        selector.unregister(key.fileobj)

    def stop(self):
        process = self.process
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


class Guest:
    """One run of QEMU. out and err are called with bytes as they come, and files with what files are
    made of; None: that is err's too."""

    def __init__(self, command, out, err, stdin=None, timeout=None, folder=None,
                 qemu_err=None, files=None):
        self.command, self.out, self.err, self.folder = command, out, err, folder
        self.files = files or err
        self.qemu_err = qemu_err  # a file for what QEMU itself says; None: standard error
        self.stdin = stdin
        self.timeout = timeout
        self.decoder = Decoder()
        self.waiting = b""  # input on its way to the guest
        self.process = None

    def run(self):
        """Runs to the end; returns (exit value, a sentence or None)."""
        try:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, cwd=self.folder,
                                            stderr=self.qemu_err, start_new_session=True)
        except OSError as error:
            return EXIT_NO_RUN, f"cannot start {self.command[0]}: {error.strerror}"
        try:
            return self.talk()
        finally:
            self.stop()

    def quit(self):
        """Ctrl-\, which passes what else is on its way; a guest that is not heard yet gets none. From a
        signal's handler too, or another thread."""
        if self.process is not None and self.decoder.heard:
            try:
                os.write(self.process.stdin.fileno(), QUIT)
            except OSError:
                pass  # the guest takes nothing in just now, or has gone

    def stop(self):
        process = self.process
        if process.poll() is None:
            process.kill()  # it has nothing to save, and asked politely it would print a line
            process.wait()
        process.stdout.close()
        try:
            process.stdin.close()
        except OSError:
            pass

    def talk(self):
        line, tap = self.process.stdout, self.process.stdin
        os.set_blocking(line.fileno(), False)
        os.set_blocking(tap.fileno(), False)
        ends = None if self.timeout is None else time.monotonic() + self.timeout
        with selectors.DefaultSelector() as selector:
            selector.register(line, selectors.EVENT_READ, self.from_guest)
            while True:
                left = None if ends is None else ends - time.monotonic()
                if left is not None and left <= 0:
                    break
                for key, _ in selector.select(left):
                    if not key.data(selector):
                        return self.ended()
                if self.decoder.status is not None and not self.powering_off(ends):
                    ends = time.monotonic() + SECONDS_TO_POWER_OFF
                    self.timeout = None
        if self.decoder.status is not None:
            return self.ended()
        return EXIT_TIMEOUT, f"no end after {self.timeout:g} seconds (TIMEOUT)"

    def powering_off(self, ends):
        return self.timeout is None and ends is not None

    def from_guest(self, selector):
        """Passes on what the guest said; false when it has hung up."""
        try:
            data = os.read(self.process.stdout.fileno(), 65536)
        except BlockingIOError:
            return True
        was_heard = self.decoder.heard
        for stream, piece in self.decoder.feed(data):
            (self.out, self.err, self.files)[stream - 1](piece)
        if self.decoder.heard and not was_heard and self.stdin is not None:
            try:
                selector.register(self.stdin, selectors.EVENT_READ, self.from_user)
            except (OSError, ValueError):  # a plain file: always ready, and epoll refuses it
                self.take_all(selector)
        return data != b""

    def from_user(self, selector):
        try:
            data = os.read(self.stdin, 4096)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        selector.unregister(self.stdin)
        self.waiting += as_data(data) if data else END_OF_INPUT
        self.more_input = data != b""
        selector.register(self.process.stdin, selectors.EVENT_WRITE, self.to_guest)
        return True

    def take_all(self, selector):
        while True:
            data = os.read(self.stdin, 65536)
            if not data:
                break
            self.waiting += as_data(data)
        self.waiting += END_OF_INPUT
        self.more_input = False
        selector.register(self.process.stdin, selectors.EVENT_WRITE, self.to_guest)

    def to_guest(self, selector):
        try:
            self.waiting = self.waiting[os.write(self.process.stdin.fileno(), self.waiting):]
        except BlockingIOError:
            return True
        except OSError:
            self.waiting, self.more_input = b"", False
        if not self.waiting:
            selector.unregister(self.process.stdin)
            if self.more_input:
                selector.register(self.stdin, selectors.EVENT_READ, self.from_user)
        return True

    def ended(self):
        if self.decoder.status is not None:
            return self.decoder.status, None
        status = self.process.wait()
        name = os.path.basename(self.command[0])
        if status != 0 and not self.decoder.heard:
            return EXIT_NO_RUN, f"{name} could not run the machine (it ended with status {status})"
        return EXIT_NO_RUN, "the machine stopped without saying how"


def writer(fd):
    """A function that writes all it gets to fd at once."""
    def write(data):
        while data:
            data = data[os.write(fd, data):]
    return write


def own_environment():
    """The environment without what an outer make left in it."""
    return {k: v for k, v in os.environ.items()
            if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}


def build(words, goals=("image", "print-run")):
    """Makes what words ask for; returns (make's exit value, its settings of the run).

    One build at a time in one build folder: two could link each other's half-written objects.
    """
    folder = os.path.join(TREE, words.get("BUILD", "build"))
    os.makedirs(folder, exist_ok=True)
    command = ["make", "--no-print-directory", "-C", TREE, *goals]
    command += [f"{k}={v.replace('$', '$$')}" for k, v in words.items()]
    settings = {}
    with open(os.path.join(folder, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              env=own_environment(), text=True) as make:
            for line in make.stdout:
                if line.startswith("@pinion "):
                    key, _, value = line[len("@pinion "):].rstrip("\n").partition("=")
                    settings[key] = value
                else:
                    sys.stderr.write(line)
                    sys.stderr.flush()
            status = make.wait()
    return status, settings


def settings(words):
    """What `make print-qemu` says for the words, without building."""
    found = {}
    done = subprocess.run(["make", "--no-print-directory", "-C", TREE, "print-qemu",
                           *(f"{k}={v}" for k, v in words.items())],
                          capture_output=True, text=True, env=own_environment())
    for line in done.stdout.splitlines():
        if line.startswith("@pinion "):
            key, _, value = line[len("@pinion "):].partition("=")
            found[key] = value
    if "qemu" not in found and "host" not in found:
        raise RuntimeError(done.stderr.strip())
    return found


@contextlib.contextmanager
def keys_at_once(wanted):
    """A terminal at our standard input passes on each key and shows none: the monitor edits its lines
    itself. Its Ctrl-C and Ctrl-\ stay signals."""
    if not wanted or not os.isatty(0):
        yield
        return
    was = termios.tcgetattr(0)
    now = termios.tcgetattr(0)
    now[3] &= ~(termios.ICANON | termios.ECHO)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a background job must not stop for it
    termios.tcsetattr(0, termios.TCSADRAIN, now)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, was)


def run_here(settings, words):
    """A run whose program talks through this process's own standard streams. Its exit value.

    wrong_word has seen the words."""
    timeout = float(words.get("TIMEOUT") or "0")
    if sys.stdin is None:  # closed
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # reading as a background job fails instead
    signal.signal(signal.SIGINT, signal.default_int_handler)  # even where a shell has it ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if "host" in settings:
        if words.get("ICOUNT", "0") == "1":
            print("pinion-run: ICOUNT=1: BOARD=host does not count instructions", file=sys.stderr)
            return 2
        guest = Native(settings, words, timeout=timeout or None)
        if words.get("GDB", "") not in ("", "0"):
            print(f"pinion-run: GDB: BOARD=host needs no connection: gdb --args "
                  f"{' '.join(guest.command)}", file=sys.stderr)
            return 2
    else:
        profiles, traces = pinionprofile.Reader(), TraceLog(settings, words)
        guest = Guest(qemu_command(settings, words), writer(1), writer(2), 0, timeout or None,
                      files=lambda data: (profiles.feed(data), traces.feed(data)))
        signal.signal(signal.SIGQUIT, lambda *_: guest.quit())
    if words.get("GDB", "") not in ("", "0"):
        port = "1234" if words["GDB"] == "1" else words["GDB"]
        print(f"pinion-run: waiting for a debugger: gdb-multiarch {settings.get('elf', '')} "
              f"-ex 'target remote :{port}'", file=sys.stderr)
    try:
        with keys_at_once("pinion.monitor" in program_words(words)):
            status, complaint = guest.run()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Nobody reads on: end as a program would that the pipe's signal killed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EXIT_PIPE
    if complaint is not None:
        print(f"pinion-run: {complaint}", file=sys.stderr)
    if "host" not in settings:
        write_profiles(profiles, settings, words)
        traces.close()
    return status


class TraceLog:
    """Lines of traces (pinion.tracefile=serial) go into a file, TRACE or BUILD/trace/NAME/raw, as they come:
    what there is of one whose run is broken off is there. tools/pinion-trace reads it."""

    def __init__(self, settings, words):
        name = os.path.splitext(os.path.basename(settings.get("elf", "")))[0]
        self.path = words.get("TRACE") or os.path.join(settings.get("build", ""), "trace", name, "raw")
        self.wanted, self.rest, self.file = words.get("TRACE") and by_serial(words), b"", None
        self.complaint = None

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            if b"%pinion-trace " in line:
                self.write(line)

    def write(self, line):
        try:
            if self.file is None:
                os.makedirs(os.path.dirname(os.path.abspath(self.path)), exist_ok=True)
                self.file = open(self.path, "wb")
            self.file.write(line + b"\n")
        except OSError as error:
            if not self.complaint:
                self.complaint = f"no trace is written: {self.path}: {error.strerror}"

    def close(self):
        if self.complaint:
            print(f"pinion-run: {self.complaint}", file=sys.stderr)
        elif self.file is not None:
            self.file.close()
            print(f"pinion-run: {self.path}: a trace, for tools/pinion-trace", file=sys.stderr)
        elif self.wanted:
            print("pinion-run: no trace has come: did the run end by itself?", file=sys.stderr)


def write_profiles(reader, settings, words):
    """What the program has sent becomes BUILD/profile/NAME/KIND.pb."""
    def say(text):
        print(f"pinion-run: {text}", file=sys.stderr)

    kind = words.get("PROFILE")
    if kind and kind not in (p.kind for p in reader.profiles):
        say(f"the program has ended without writing its {kind} profile: it must return from main or "
            "call exit")
    if not reader.profiles:
        return
    elf = settings["elf"]
    name = os.path.splitext(os.path.basename(elf))[0]
    try:
        pinionprofile.write_files(reader, elf, os.path.join(settings["build"], "profile", name), say)
    except (OSError, ValueError) as error:
        say(f"no profile is written: {error}")
