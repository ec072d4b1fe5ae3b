"""What GDB runs for tests/gdb_test.py: a session with tests/gdb/scene.c, and what it must show.

Each check raises if it does not hold; then GDB exits with 1. Nothing here waits by the clock: the scene
stops at a breakpoint again and again, and the session goes on until the harts are where it wants
them. (A hart that is stopped may be about to take an interrupt, between two goroutines.)
"""
import re
import sys
import traceback

import gdb

STOPS_MAX = 200
SOURCE = "tests/gdb/scene.c"
PARKED = {"receiver": "receives", "sender": "sends", "chooser": "chooses", "picker": "picks",
          "locker": "locks", "sleeper": "sleeps"}


def run(command):
    text = gdb.execute(command, to_string=True)
    print(f"(gdb) {command}\n{text}", end="", flush=True)
    return text


def check(good, what):
    if not good:
        raise AssertionError(what)


def line_of(mark):
    with open(SOURCE, encoding="utf-8") as source:
        for number, line in enumerate(source, 1):
            if f"/* {mark} */" in line:
                return number
    raise AssertionError(f"{SOURCE} has no line marked {mark}")


def refusal(command):
    """What the command says instead of doing anything."""
    try:
        text = run(command)
    except gdb.error as error:
        print(f"(gdb) {command}\n{error}")
        return str(error)
    raise AssertionError(f"'{command}' did not fail, but said: {text}")


def goroutines():
    """{name of the function: (number, state, whole line)} of info goroutines."""
    found = {}
    for line in run("info goroutines").splitlines():
        parts = re.fullmatch(r'([* ]) (\d+) +(.+?)  +(\w+) at \S*scene\.c(:\d+)?( "(.*)")?', line)
        if parts is None:  # a place could not be had: look again at the next stop
            continue
        mark, number, state, function, _, _, name = parts.groups()
        check((mark == "*") == state.startswith("running"), f"the mark of: {line}")
        found[name or function] = (int(number), state, line)
    return found


def all_registers():
    """All threads' general registers, as GDB prints them."""
    selected = gdb.selected_thread()
    text = gdb.execute("thread apply all -s info registers general", to_string=True)
    check(gdb.selected_thread() == selected, "thread apply selected another thread")
    check(len(text.splitlines()) > 60, "two harts have more registers")
    return text


def unchanged(command):
    """Runs the command, which may fail: registers, thread and frame are what they were."""
    before = all_registers(), gdb.selected_thread().num, gdb.selected_frame()
    try:
        text = run(command)
    except gdb.error as error:
        text = str(error)
        print(f"(gdb) {command}\n{text}")
    after = all_registers(), gdb.selected_thread().num, gdb.selected_frame()
    for a, b in zip(before[0].splitlines(), after[0].splitlines()):
        check(a == b, f"{command} has changed: {a} -> {b}")
    check(before == after, f"{command} has changed the selected thread or frame")
    return text


def before_boot():
    for command in ("info goroutines", "info ps", "info ms", "info runq", "info chans",
                    "info timers", "goroutine 1 bt"):
        check("not up" in refusal(command), f"{command} before boot")


def hogs_are_in_place(all_of):
    states = sorted(all_of[hog][1] for hog in ("hog a", "hog b") if hog in all_of)
    return states == ["runnable", "running (hart 1)"] and "newborn" in all_of and \
        all_of["newborn"][1] == "runnable"


def stop_in_place():
    """Goes on until everything is where the scene's picture has it; returns goroutines()."""
    gdb.Breakpoint("stop_here")
    for _ in range(STOPS_MAX):
        gdb.execute("continue", to_string=True)
        check(gdb.selected_frame().name() == "stop_here", "the program did not stop where it should")
        found = goroutines()
        if hogs_are_in_place(found):
            return found
    raise AssertionError(f"in {STOPS_MAX} stops the hogs were never seen in their places")


def check_states(found):
    states = {"main": "sync.WaitGroup.Wait", "receiver": "chan receive", "sender": "chan send",
              "chooser": "select", "picker": "select", "locker": "sync.Mutex.Lock",
              "sleeper": "sleep", "watcher": "running (hart 0)", "newborn": "runnable"}
    for name, state in states.items():
        check(name in found and found[name][1] == state, f"{name} should be: {state}")
    check(found["main"][0] == 1, "main is goroutine 1")
    for name in ("receiver", "sender", "chooser", "picker", "sleeper"):
        check(f"{SOURCE}:{line_of(PARKED[name])}" in found[name][2], f"the place of {name}")
    check("stop_here at" in found["watcher"][2], "the place of the watcher")


def check_lists(found):
    number = {name: entry[0] for name, entry in found.items()}
    preempted = next(n for n in ("hog a", "hog b") if found[n][1] == "runnable")
    running = next(n for n in ("hog a", "hog b") if n != preempted)
    ps = unchanged("info ps")
    check(re.search(r"2 Ps in use, of 2", ps) is not None, "info ps: how many")
    check(re.search(r"P 0 +running +hart 0 +queued 1 +timers \d$", ps, re.M) is not None, "info ps: P 0")
    check(re.search(r"P 1 +running +hart 1 +queued 0 +timers \d$", ps, re.M) is not None, "info ps: P 1")
    check(sum(map(int, re.findall(r"timers (\d)$", ps, re.M))) == 2, "info ps: timers")
    ms = unchanged("info ms")
    check(re.search(rf'^\* M 0 +thread \d+ +P 0 +runs {number["watcher"]} "watcher"', ms, re.M)
          is not None, "info ms: M 0")
    check(re.search(rf'^  M 1 +thread \d+ +P 1 +runs {number[running]} "{running}"', ms, re.M)
          is not None, "info ms: M 1")
    for command in ("info runq", "info runq 0"):
        text = unchanged(command)
        check(re.search(rf"P 0 runnext: +{number['newborn']}$", text, re.M) is not None, command)
    for command in ("info runq", "info runq 1"):
        text = unchanged(command)
        check(re.search(rf"P 1 pinned: +{number[preempted]}$", text, re.M) is not None, command)
    check(re.search(r"global: +\(empty\)$", unchanged("info runq"), re.M) is not None, "global")
    check("from 0 to 1" in refusal("info runq 2"), "info runq of a P that is not there")
    check("number of a P" in refusal("info runq x"), "info runq of no number")
    timers = unchanged("info timers")
    check(re.search(rf"P [01] +3[67]\d\d\.\d{{9}}s +sleep of goroutine {number['sleeper']}$", timers,
                    re.M) is not None, "info timers: the sleeper")
    check(re.search(r"P [01] +7[23]\d\d\.\d{9}s +starts too_late$", timers, re.M) is not None,
          "info timers: the alarm")
    check(len(timers.splitlines()) == 2, "info timers: two")


def check_chans(found):
    number = {name: entry[0] for name, entry in found.items()}
    text = unchanged("info chans")
    for chan, what, who in (
            ("words", "elements of 8 bytes, 0 of 0 buffered", f"receive: {number['receiver']}"),
            ("full", "elements of 4 bytes, 1 of 1 buffered",
             f"send: {number['sender']} {number['picker']} (select)"),
            ("left", "elements of 8 bytes, 0 of 0 buffered", f"receive: {number['chooser']} (select)"),
            ("right", "elements of 8 bytes, 0 of 4 buffered", f"receive: {number['chooser']} (select)"),
            ("done", "elements of 0 bytes, 0 of 0 buffered", f"receive: {number['picker']} (select)")):
        address = int(gdb.parse_and_eval(chan))
        check(f"{address:#x} {what}; {who}\n" in text, f"info chans: {chan}")
    check(len(text.splitlines()) == 5, "info chans: five")


def user_frame(text, function):
    """The line of the function's frame in a backtrace."""
    found = re.search(rf"^#\d+ .*\b{function} \(.*\) at \S*scene\.c:(\d+)$", text, re.M)
    check(found is not None, f"bt shows no {function} of the scene's: {text}")
    return int(found.group(1))


def check_backtraces(found):
    for name, mark in PARKED.items():
        text = unchanged(f"goroutine {found[name][0]} bt")
        check(user_frame(text, name) == line_of(mark), f"the line of {name}")
        check("context_entry" in text.splitlines()[-1], f"the backtrace of {name} ends: {text}")
    check(user_frame(unchanged("goroutine 1 bt"), "main") == line_of("joins"), "the line of main")
    for hog in ("hog a", "hog b"):
        text = unchanged(f"goroutine {found[hog][0]} bt")
        check(line_of("loop begins") <= user_frame(text, "hog_loop") <= line_of("loop ends"),
              f"the line of {hog}")
        check(re.match(r"#0 .*\bhog_loop \(", text) is not None, f"{hog} was stopped in its loop")
        check(user_frame(text, "hog_and_done") > line_of("loop ends"), f"who has called {hog}'s loop")
        own = unchanged(f"goroutine {found[hog][0]} p h == &hogs[{int(hog == 'hog b')}]")
        check(own.endswith(" = 1\n"), f"{hog}'s argument is a register of its own: {own}")
    text = unchanged(f"goroutine {found['newborn'][0]} bt")
    check(re.match(r"#0 +\w+_context_entry \(", text) is not None, "the newborn is where it will begin")
    check("word = 0" in unchanged(f"goroutine {found['receiver'][0]} frame function receiver") or
          "word = 0" in unchanged(f"goroutine {found['receiver'][0]} bt full"), "a local variable")


def check_all(found):
    text = unchanged("goroutine all bt")
    for name, (number, state, _) in found.items():
        check(f"goroutine {number} [{state}]" in text, f"goroutine all: {name}")
    check(len(re.findall(r"^goroutine \d+ \[", text, re.M)) == len(found), "goroutine all: how many")
    check(text.count("#0 ") == len(found), "goroutine all bt: a backtrace each")


def check_wrong_words(found):
    parked = found["receiver"][0]
    check("no goroutine 999" in unchanged("goroutine 999 bt"), "one that is not there")
    for words in ("goroutine 1", "goroutine x bt", "goroutine -1 bt"):
        check("goroutine N COMMAND" in unchanged(words), words)
    for command in ("continue", "c", "si", "nexti", "fin", "run", "jump *0", "call 1", "detach", "k"):
        check("let the program go on" in unchanged(f"goroutine {parked} {command}"), command)
    check("Undefined command" in unchanged(f"goroutine {parked} nosuchcommand"), "a failing command")
    check("No symbol" in unchanged(f"goroutine {parked} p nosuchsymbol"), "a failing command")
    check("Undefined command" in unchanged("goroutine all nosuchcommand"), "all that fail")
    check("in another goroutine's place" in unchanged(f"goroutine {parked} goroutine 1 bt"), "nested")
    check("may-call" in unchanged(f"goroutine {parked} p stop_here()"), "a call")
    check(gdb.parameter("may-call-functions") is True, "calls are allowed again")
    check("Cannot access memory" in unchanged(f"goroutine {parked} x/x 0"), "a bad address")
    gdb.execute("frame 1", to_string=True)
    unchanged(f"goroutine {parked} up 2")
    unchanged(f"goroutine {parked} thread 2")
    gdb.execute("frame 0", to_string=True)
    check(f"Goroutine {found['watcher'][0]} " in unchanged("goroutine"), "who is here")
    for command in ("info goroutines", "info ps", "info ms", "info chans", "info timers"):
        check("takes no words" in refusal(command + " 1"), f"{command} with a word")


def timers_of_sleeper():
    """The heap that the sleeper's timer is the first of: either hart may have set it."""
    p = re.search(r"P (\d) .*sleep of", gdb.execute("info timers", to_string=True)).group(1)
    return p, f"sched.p[{p}]->timers"


def check_printers():
    p, timers = timers_of_sleeper()
    for expression, what in (
            ("held", r"\{locked, goroutines wait\}"),
            ("*full", r"\{elements of 4 bytes, 1 of 1 buffered\}"),
            ("*sched.p[0]", r"\{P 0 running, queued 1, timers \d\}"),
            ("*sched.m[1]", r"\{M 1, hart id 0x1, P 1\}"),
            ("*sched.m[1]->g0", r"\{scheduler's context\}"),
            ("*sched.p[0]->runq.next", r"\{goroutine \d+ \[runnable\]\}"),
            (f"*{timers}.heap[0].node", rf"\{{timer, queued on P {p} as number 0, sleep_over\}}")):
        text = unchanged(f"p {expression}")
        check(re.fullmatch(rf"\$\d+ = {what}\n", text) is not None, f"p {expression}: {text}")
    check("state_ = " in unchanged("p/r held"), "p/r shows all")
    check("info goroutines" in unchanged("help pinion"), "help pinion")
    for command in ("goroutine", "info goroutines", "info ps", "info ms", "info runq", "info chans",
                    "info timers"):
        check("Pinion" in run("help pinion") and len(run(f"help {command}")) > 80, f"help {command}")


def check_damaged():
    """Lists that make no sense: a line that says so, and an end. All is put back."""
    _, timers = timers_of_sleeper()
    for what, wrong, command, said in (
            ("sched.p[0]->runq.next->link", "sched.p[0]->runq.next", "info runq", None),
            ("sched.global_head", "(struct g *)8", "info runq", "cannot be read"),
            ("sched.p[1]->pinned_head->link", "sched.p[1]->pinned_head", "info runq", "circle"),
            ("sched.p[1]->runq.ring.tail", "sched.p[1]->runq.ring.tail + 1000", "info runq", "no sense"),
            (f"{timers}.n", "1 << 30", "info timers", "no sense"),
            (f"{timers}.heap[0].node", "(struct timer_node *)8", "info timers", "cannot be read"),
            ("sched.n_m", "77", "info goroutines", "not up"),
            ("sched.p[1]->pinned_head->ctx.sp", "8", "goroutine all bt", "damaged")):
        was = int(gdb.parse_and_eval(f"(unsigned long)({what})"))
        # What the expression names may move with the change itself.
        at = int(gdb.parse_and_eval(f"(unsigned long)&({what})"))
        size = int(gdb.parse_and_eval(f"sizeof({what})"))
        number = int(gdb.parse_and_eval(f"(unsigned long)({wrong})")) & (1 << 8 * size) - 1
        gdb.selected_inferior().write_memory(at, number.to_bytes(size, "little"))
        try:
            text = unchanged(command)
            check(said is None or said in text, f"{command} with {what} = {wrong}: {text}")
        finally:
            gdb.selected_inferior().write_memory(at, was.to_bytes(size, "little"))


def check_without_registers(found):
    """As under a debugger that shows neither the thread pointer nor the register of the hart: stacks
    tell."""
    isa = sys.modules["pinion_gdb.isa"]
    kinds = isa.Riscv, isa.Arm64
    names = [(kind.TP, kind.HART) for kind in kinds]
    for kind in kinds:
        kind.TP = kind.HART = "no_such_register"
    try:
        again = goroutines()
        check({n: e[:2] for n, e in again.items()} == {n: e[:2] for n, e in found.items()},
              "goroutines by their stacks")
        ms = unchanged("info ms")
        check(re.search(r'^\* M 0 .* "watcher"', ms, re.M) is not None, "M 0 by its stack")
        check(re.search(r'^  M 1 .* "hog [ab]"', ms, re.M) is not None, "M 1 by its stack")
    finally:
        for kind, (tp, hart) in zip(kinds, names):
            kind.TP, kind.HART = tp, hart


def from_the_other_hart(found):
    """All of it does not depend on the thread that is selected."""
    watcher = gdb.selected_thread()
    other = next(t for t in gdb.selected_inferior().threads() if t.num != watcher.num)
    other.switch()
    text = unchanged(f"goroutine {found['watcher'][0]} bt")
    check("stop_here" in text.splitlines()[0], f"the watcher, from the other thread: {text}")
    check(user_frame(unchanged(f"goroutine {found['receiver'][0]} bt"), "receiver") ==
          line_of("receives"), "a parked one, in the other thread")
    check_chans(found)
    watcher.switch()


def in_a_handler():
    """Stops hart 1 in an interrupt's handler, in the middle of a hog's loop: the backtrace goes on to
    that, and the goroutine's own begins there."""
    gdb.execute("delete", to_string=True)
    gdb.Breakpoint("preempt_on_timer if m == sched.m[1]")
    for _ in range(STOPS_MAX):
        gdb.execute("continue", to_string=True)
        text = unchanged("bt")
        check(text.startswith("#0  preempt_on_timer ("), f"it stopped elsewhere: {text}")
        if "hog_loop" in text:  # else it was between two goroutines
            break
    check("context_entry" in text.splitlines()[-1], f"the backtrace does not go to the end: {text}")
    number = int(re.match(r"Goroutine (\d+) ", unchanged("goroutine")).group(1))
    own = unchanged(f"goroutine {number} bt")
    check(re.match(r"#0 .*\bhog_loop \(", own) is not None, f"the goroutine's begins with it: {own}")
    check(user_frame(own, "hog_and_done") > line_of("loop ends"), f"and goes on: {own}")
    check(f"runs {number}" in unchanged("info ms"), "who runs there")
    kept = "$x27" if "aarch64" in gdb.selected_frame().architecture().name() else "$s11"
    check(unchanged(f"goroutine {number} p/x {kept}").endswith(" = 0x600d\n"), "a register C preserves")
    preempted = unchanged(f"goroutine all p/x {kept}")
    check(preempted.count(" = 0x600d\n") == 2, f"the other hog's: {preempted}")


def to_the_end():
    gdb.execute("delete", to_string=True)
    gdb.execute("set var seen = 1", to_string=True)
    try:
        gdb.execute("continue", to_string=True)
    except gdb.error as error:  # QEMU's end is the connection's, in one way or another
        print(error)
    check(gdb.selected_thread() is None, "the program has not ended")
    check("not being run" in refusal("info goroutines"), "info goroutines after the end")


def main():
    gdb.execute("set pagination off")
    gdb.execute("set confirm off")
    gdb.execute("set width 0")
    before_boot()
    found = stop_in_place()
    check_states(found)
    check_lists(found)
    check_chans(found)
    check_backtraces(found)
    check_all(found)
    check_wrong_words(found)
    check_printers()
    check_damaged()
    check_without_registers(found)
    from_the_other_hart(found)
    in_a_handler()
    to_the_end()
    print("all as it should be")


try:
    main()
except BaseException:
    traceback.print_exc(file=sys.stdout)
    sys.stdout.flush()
    gdb.execute("quit 1")
gdb.execute("quit 0")
