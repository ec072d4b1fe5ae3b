#!/usr/bin/env python3
"""Ctrl-\\ shows all goroutines of a program that goes on, and the monitor's commands do what they say.

    tests/monitor_test.py BOARD [PATTERN]    those whose name holds PATTERN

Runs tests/target/monitored.c with one and with four harts, with a script typed at its console. Words of
the program's own tell when it is ready, and each step waits for what it must bring about: no time is
measured but that of a hang.
"""
import os
import re
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tools"))
import pinionlib  # noqa: E402

HANG = int(os.environ.get("HANG", 120))  # seconds
APP = "tests/target/monitored.c"


class Wrong(Exception):
    pass


def expect(what, is_so):
    if not is_so:
        raise Wrong(what)


class Session:
    """A run, and what is typed at it."""

    def __init__(self, board, smp, args, monitor=False):
        words = {"APP": APP, "BOARD": board, "SMP": str(smp),
                 "ARGS": args + " pinion.monitor" * monitor}
        status, settings = pinionlib.build(words)
        expect("the program is built", status == 0)
        self.read_end, self.typed = os.pipe()
        self.change = threading.Condition()
        self.text, self.out, self.at, self.result = "", "", 0, None
        self.guest = pinionlib.Guest(pinionlib.qemu_command(settings, words), self.from_out,
                                     self.from_err, self.read_end, HANG, TREE, subprocess.DEVNULL)
        self.thread = threading.Thread(target=self.run)

    def run(self):
        result = self.guest.run()
        with self.change:
            self.result = result
            self.change.notify()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        if self.result is None and self.guest.process is not None:
            self.guest.process.kill()
        self.thread.join()
        for end in (self.read_end, self.typed):
            try:
                os.close(end)
            except OSError:
                pass

    def from_err(self, data):
        with self.change:
            self.text += data.decode("latin-1")
            self.change.notify()

    def from_out(self, data):
        with self.change:
            self.out += data.decode("latin-1")
            if len(self.out) > 1 << 20:  # of a flood
                self.out = self.out[-1 << 16:]
            self.change.notify()

    def until(self, pattern, of="text"):
        """Waits for it, on standard error behind what was found before; the match."""
        def look():
            return re.compile(pattern, re.M).search(getattr(self, of), self.at if of == "text" else 0)
        with self.change:
            self.change.wait_for(lambda: look() or self.result, HANG)
            found = look()
            expect(f"/{pattern}/, not {getattr(self, of)[self.at if of == 'text' else 0:][-1000:]!r}",
                   found)
            if of == "text":
                self.at = found.end()
        return found

    def type(self, data):
        os.write(self.typed, data.encode("latin-1"))

    def command(self, line, until):
        self.type(line + "\n")
        return self.until(until)

    def numbers(self):
        """{name: [numbers]} of what the program has started."""
        self.until(r"^begun, .*\n", "out")
        found = {}
        for name, number in re.findall(r"^(\w+) is (\d+)$", self.out, re.M):
            found.setdefault(name, []).append(int(number))
        return found

    def quit(self):
        """The goroutines of the dump: {number: (state, the text below)}."""
        self.guest.quit()
        return self.dump()

    def dump(self):
        text = self.until(r"SIGQUIT: quit\n((?:\ngoroutine (?:.+\n)+)+)\nthe program goes on$").group(1)
        parts = re.split(r"\ngoroutine (\d+) \[([^]]*)\]:\n", "\n" + text.lstrip("\n"))[1:]
        return {int(parts[i]): (parts[i + 1], parts[i + 2]) for i in range(0, len(parts), 3)}

    def end(self, status):
        with self.change:
            self.change.wait_for(lambda: self.result, HANG)
        expect(f"an end with {status}, not {self.result}: {self.text[-2000:]}",
               self.result is not None and self.result[0] == status)


STATES = {"receiver": "chan receive", "sender": "chan send", "chooser": "select",
          "locker": "sync.Mutex.Lock"}


def dump_is_whole(dump, numbers):
    """A goroutine may not have come to where it waits yet: then there is another dump."""
    hangs = time.monotonic() + HANG
    while True:
        try:
            check_dump(dump(), numbers)
            return
        except Wrong:
            if time.monotonic() > hangs:
                raise
            time.sleep(0.02)  # the host may not run that hart just now


def check_dump(found, numbers):
    expect("all goroutines, no others", set(found) == {1, *sum(numbers.values(), [])})
    for name, state in STATES.items():
        (number,) = numbers[name]
        expect(f"{name} in its state, not {found[number]}", found[number][0] == state)
        expect("its name", f'(named "{name}")' in found[number][1])
    for number in numbers.get("spinner", []):
        expect("spinners run or could", found[number][0] in ("running", "runnable"))
        expect("spinners where they are", "spin+0x" in found[number][1] or
               "stack unavailable" in found[number][1])


# ---- without a monitor

def ctrl_backslash_of_one_that_reads(board, smp):
    with Session(board, smp, "read") as s:
        numbers = s.numbers()
        dump_is_whole(s.quit, numbers)
        s.type("one\n")
        s.until("^read one$", "out")
        dump_is_whole(s.quit, numbers)
        s.type("over\n")
        s.end(3)


def ctrl_backslash_of_one_that_spins_on_all_harts(board, smp):
    with Session(board, smp, f"spin {smp + 2}") as s:
        numbers = s.numbers()
        for _ in range(3):
            dump_is_whole(s.quit, numbers)
        s.type("over\n")
        s.end(3)


def ctrl_backslash_of_one_that_floods_the_line(board, smp):
    with Session(board, smp, "flood") as s:
        s.until(r"^begun, .*\n", "out")
        found = s.quit()
        expect("main and the others", len(found) == 5 + smp)
        s.type("over\n")
        s.end(3)


def bytes_of_piped_input_are_data(board, smp):
    with Session(board, smp, "read") as s:
        s.numbers()
        s.type("a\x1cb\x10\x5cc\x10\x1c\n")
        s.until(r"^read a\\x1cb\\x10\\c\\x10\\x1c$", "out")
        s.type("x" * 3000 + "\n\x1c\n")  # more than is taken in for one who does not read
        s.until(r"^read \\x1c$", "out")
        os.close(s.typed)
        s.end(3)
        expect("nobody was told to quit", "SIGQUIT" not in s.text)


# ---- with it

def commands_show_what_is(board, smp):
    with Session(board, smp, "idle", monitor=True) as s:
        numbers = s.numbers()
        s.until("^> ")
        helped = s.command("help", r"(?:^[a-z<].*\n)+> ").group()
        for word in ("ps", "top", "ms", "runq", "chans", "timers", "mem", "gs", "kill N", "trace", "<"):
            expect(f"help has {word}", re.search(rf"^{word}\b|^{re.escape(word)}", helped, re.M))
        chans = s.command("chans", r"((?:^0x.*\n)+)> ").group(1).splitlines()
        (r,), (w,), (c,) = (numbers[n] for n in ("receiver", "sender", "chooser"))
        expect(f"three channels, not {chans}", len(chans) == 3)
        expect("one that is full", any(re.search(rf" 2/2 of 8 bytes; send: {w}$", x) for x in chans))
        expect("one of the select alone",
               any(re.search(rf" 0/3 of 8 bytes; receive: {c} \(select\)$", x) for x in chans))
        expect("one of both", any(re.search(r" 0/0 of 8 bytes; receive: ", x) and
                                  set(re.findall(r" (\d+)(?: \(select\))?(?= |$)", x.split(";")[1])) ==
                                  {str(r), str(c)} for x in chans))
        for _ in range(30):  # main polls its input: it is asleep nearly always
            timers = s.command("timers", r"((?:^P\d+: timers \d+\n(?:  .*\n)*)+)> ").group(1)
            if seen := re.search(r"^  in -?\d+ us: sleep of G1$", timers, re.M):
                break
        expect(f"main's sleep: {timers}", seen)
        ms = s.command("ms", r"((?:^  M\d+: p=.* lockedg=nil\n)+)> ").group(1)
        expect("all harts", len(ms.splitlines()) == smp)
        runq = s.command("runq", r"((?:^P\d+:.*\n)+)^0 in all\n?> ").group(1)
        expect("all Ps", len(runq.splitlines()) == smp)
        s.command("mem", r"^heap: \d+ objects live, .*\n(?:.*\n)+?^memory: \d+ KiB; .*\n> ")
        ps = s.command("ps", r"((?:^  P\d+: status=.*\n)+(?: *\d+\.\d% G.*\n)*)> ").group(1)
        expect("all Ps", len(re.findall("^  P", ps, re.M)) == smp)
        s.type("gs\n")
        check_dump(s.dump(), numbers)
        s.command("nonsense 3", "^nonsense: no such command; help lists them$")
        s.command("trace", "^trace on, or trace off$")
        s.command("< over", "^> ")
        s.end(3)


def lines_are_edited(board, smp):
    with Session(board, smp, "read", monitor=True) as s:
        s.numbers()
        s.until("^> ")
        s.type("nonsense\x15kil\x7f\x7f\x7f\x7f\x7fkalt\b\b\bill 1\n")
        s.until("^goroutine 1 is main: its end is the program's$")
        s.command("ms and more\x03help", r"\^C\n> help\nps ")
        s.command("", r"\n> ")
        s.command("x" * 500, "^x{127}: no such command")
        s.command("< one two", "^> ")
        s.until("^read one two$", "out")
        os.close(s.typed)  # Ctrl-D: the program's input ends
        s.end(3)


def shares_are_of_those_that_run(board, smp):
    with Session(board, smp, f"spin {2 * smp}", monitor=True) as s:
        numbers = s.numbers()
        s.until("^> ")
        ps = s.command("ps", r"((?:^  P\d+: .*\n)+(?: *\d+\.\d% G.*\n)*)> ").group(1)
        rows = {int(n): (float(share), rest) for share, n, rest in
                re.findall(r"^ *(\d+\.\d)% G(\d+) (.*)$", ps, re.M)}
        mine = sum(rows[n][0] for n in numbers["spinner"] if n in rows)
        expect(f"spinners have most of {smp} harts, not {ps}",
               mine > 0.5 * sum(share for share, _ in rows.values()) and mine <= 101 * smp)
        expect("in order", [x for x, _ in rows.values()] == sorted((x for x, _ in rows.values()), reverse=True))
        expect("with their names", all(rows[n][1].split(",")[0].endswith("spinner")
                                       for n in numbers["spinner"] if n in rows))
        s.type("top\n")
        for _ in range(3):
            s.until(r"\033\[H\033\[J\d+ s, until a key is pressed:\n  P0: ")
        s.type("x")
        s.until("^> ")
        s.command("< over", "^> ")
        s.end(3)


def kill_ends_a_spinner_with_its_deferred_calls(board, smp):
    with Session(board, smp, f"spin {smp + 1}", monitor=True) as s:
        numbers = s.numbers()
        s.until("^> ")
        for n in numbers["spinner"][:2]:
            s.command(f"kill {n}", f"^goroutine {n} ends$")
            s.command(f"kill {n}", f"^(there is no goroutine {n}|goroutine {n} has ended)$")
        s.until(r"^deferred of spinner\n(?:.*\n)*deferred of spinner$", "out")
        (r,) = numbers["receiver"]
        s.command(f"kill {r}", rf"^goroutine {r} \[chan receive\] was not met in its own code")
        for bad in ("0", "-1", "x", "", "99999999999999999999999"):
            s.command(f"kill {bad}", "^kill N: the number of a goroutine, as ps shows it$")
        dumped = s.command("gs", "^> ") and s.dump()
        expect("the rest is there", set(dumped) ==
               {1, *sum(numbers.values(), [])} - set(numbers["spinner"][:2]))
        s.command("< over", "^> ")
        s.end(3)


def a_deadlock_is_found_with_the_monitor_on(board, smp):
    with Session(board, smp, "stuck pinion.leakcheck", monitor=True) as s:
        s.until("fatal error: all goroutines are asleep - deadlock!$")
        s.end(2)
        expect("the shell is none of them", '"monitor"' not in s.text and "goroutine 0" not in s.text)


def the_shell_is_no_leak_and_ends_with_main(board, smp):
    with Session(board, smp, "idle pinion.leakcheck", monitor=True) as s:
        s.numbers()
        s.command("< over", "leakcheck: 4 goroutines left$")
        s.end(3)


def a_trace_is_switched_on_and_off(board, smp):
    with Session(board, smp, "idle", monitor=True) as s:
        s.numbers()
        s.until("^> ")
        s.command("trace on", "^a trace is on$")
        s.command("trace on", "^no trace: one is on, or no memory$")
        s.command("trace off", "^pinion: trace: it stays in memory")
        s.command("trace on", "^a trace is on$")
        s.command("< over", "^> ")
        s.end(3)


CASES = (ctrl_backslash_of_one_that_reads, ctrl_backslash_of_one_that_spins_on_all_harts,
         ctrl_backslash_of_one_that_floods_the_line, bytes_of_piped_input_are_data,
         commands_show_what_is, lines_are_edited, shares_are_of_those_that_run,
         kill_ends_a_spinner_with_its_deferred_calls, a_deadlock_is_found_with_the_monitor_on,
         the_shell_is_no_leak_and_ends_with_main, a_trace_is_switched_on_and_off)


def main():
    board, pattern = sys.argv[1], (sys.argv[2:] or [""])[0]
    wrong = 0
    for case in CASES:
        for smp in (1, 4):
            if pattern not in case.__name__:
                continue
            try:
                case(board, smp)
            except Wrong as error:
                print(f"{case.__name__} [{board} smp={smp}]: wanted: {error}")
                wrong = 1
    sys.exit(wrong)


if __name__ == "__main__":
    main()
