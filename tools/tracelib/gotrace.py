"""Go's execution trace, version 1 ("go 1.19 trace"), for `go tool trace`.

An event is one byte, type | (arguments - 1) << 6, and ULEB128 arguments, the first of them the time
since the event before in its batch; with four arguments or more a length in bytes precedes them. A
batch is one P's events in order. `go tool trace` merges batches by time and by each goroutine's
number, which starts, wakes and ends of system calls carry; here times all differ, in the order that
the model tells, so there is one way to merge them only.

Ours and Go's differ in a few things:
* What no goroutine did on a P (wakes by timers and interrupts, goroutines that were there before
  anybody ran) is in the batch of Go's "timer P".
* A blocking section is a system call. Go says that it blocks when its P is taken, so we do.
* A named goroutine starts with its name as label. A goroutine's stack has one frame, its function.
* As in Go's own files, what still runs when the trace ends yields and its P stops; the viewer needs
  an end of each start. It needs a function for each goroutine too, and for each region's beginning.
* There is no garbage collection to stop the world for: that is a log message of category "pinion".
  What is said where no goroutine has a P, as in a section, has no place in Go's format; `left_out`
  counts it.
"""
from tracelib import records as r
from tracelib.watcher import Watcher

HEADER = b"go 1.19 trace\0\0\0"
TIMER_P = 1000001

(BATCH, FREQUENCY, STACK, GOMAXPROCS, PROC_START, PROC_STOP) = range(1, 7)
(GO_CREATE, GO_START, GO_END, _, GO_SCHED, GO_PREEMPT, GO_SLEEP, GO_BLOCK, GO_UNBLOCK,
 GO_BLOCK_SEND, GO_BLOCK_RECV, GO_BLOCK_SELECT, GO_BLOCK_SYNC, GO_BLOCK_COND, GO_BLOCK_NET,
 GO_SYS_CALL, GO_SYS_EXIT, GO_SYS_BLOCK, GO_WAITING, GO_IN_SYSCALL) = range(13, 33)
STRING, GO_START_LABEL = 37, 41
USER_TASK_CREATE, USER_TASK_END, USER_REGION, USER_LOG = range(45, 49)

# Go's words for reasons, as far as it has an event for them; others just block.
BLOCKS = {"sleep": GO_SLEEP, "chan send": GO_BLOCK_SEND, "chan receive": GO_BLOCK_RECV,
          "select": GO_BLOCK_SELECT, "sync.Cond.Wait": GO_BLOCK_COND, "IO wait": GO_BLOCK_NET}
SYNC = ("sync.", "semacquire")


def block_type(reason):
    kind = BLOCKS.get(reason)
    if kind is not None:
        return kind
    return GO_BLOCK_SYNC if reason.startswith(SYNC) else GO_BLOCK


def uleb(value, out):
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)


class GoTrace(Watcher):
    def __init__(self, file):
        self.file = file
        self.now = 0
        self.batches = {}   # P: (bytes, [time of its last event])
        self.strings, self.stacks, self.frames = {"": 0}, {}, []
        self.numbers = {}   # goroutine: Go's number of its next numbered event
        self.runs = {}      # P: the goroutine that runs with it, for Go; also in a section
        self.said = {}      # goroutine: of its open regions, which began in Go's file
        self.tables = bytearray()
        self.left_out = 0

    # ---- bytes ----

    def _event(self, at, p, kind, *arguments):
        self.now = max(at, self.now + 1)
        batch = self.batches.get(p)
        if batch is None:
            batch = self.batches[p] = (bytearray((BATCH | 1 << 6,)), [self.now])
            uleb(p, batch[0])
            uleb(self.now, batch[0])
        out, last = batch
        n = len(arguments)
        if n < 3:
            out.append(kind | n << 6)
            uleb(self.now - last[0], out)
            for argument in arguments:
                uleb(argument, out)
        else:
            body = bytearray()
            uleb(self.now - last[0], body)
            for argument in arguments:
                uleb(argument, body)
            out.append(kind | 3 << 6)
            uleb(len(body), out)
            out += body
        last[0] = self.now

    def _string(self, text):
        number = self.strings.get(text)
        if number is None:
            number = self.strings[text] = len(self.strings)
            data = text.encode()
            self.tables.append(STRING)
            uleb(number, self.tables)
            uleb(len(data), self.tables)
            self.tables += data
        return number

    def _stack(self, pc):
        """A stack of one frame; pc 0 is "unknown", at 1: Go's pages take 0 for none at all."""
        number = self.stacks.get(pc)
        if number is None:
            number = self.stacks[pc] = len(self.stacks) + 1
            symbols = self.world_now.symbols
            file, line = symbols.line(pc)
            body = bytearray()
            name = symbols.function(pc) if pc else "unknown"
            for value in (number, 1, pc or 1, self._string(name), self._string(file), line):
                uleb(value, body)
            self.frames.append(body)
        return number

    # ---- goroutines ----

    def _create(self, at, p, g):
        made_at = self._stack(g.made_at - 1 if g.made_at else 0)
        self._event(at, p, GO_CREATE, g.id, self._stack(g.pc), made_at)
        self.numbers[g.id] = 1

    def appear(self, at, g):
        self._create(at, TIMER_P, g)
        if g.state in (r.WAITING, r.SECTION):
            # Its batch has to say whose event it is: Go takes it from the argument.
            self._event(at, TIMER_P, GO_WAITING if g.state == r.WAITING else GO_IN_SYSCALL, g.id)
            self.numbers[g.id] = 2

    def create(self, at, hart, g, creator):
        self._create(at, hart.p if hart.p is not None and hart.g is creator else TIMER_P, g)

    def start(self, at, hart, g):
        number = self.numbers[g.id]
        self.numbers[g.id] = number + 1
        self.runs[hart.p] = g
        if g.named:
            self._event(at, hart.p, GO_START_LABEL, g.id, number, self._string(g.name) or
                        self._string(f"goroutine {g.id}"))
        else:
            self._event(at, hart.p, GO_START, g.id, number)

    def stop(self, at, hart, g, how):
        if how == "end":
            self._event(at, hart.p, GO_END)
            del self.numbers[g.id]
            self.said.pop(g.id, None)
        else:
            kind = {"sched": GO_SCHED, "preempt": GO_PREEMPT}.get(how) or block_type(g.reason)
            self._event(at, hart.p, kind, self._stack(g.pc))
        del self.runs[hart.p]

    def wake(self, at, hart, g, waker):
        p = hart.p if waker is not None and waker.state == r.RUNNING else TIMER_P
        number = self.numbers[g.id]
        self.numbers[g.id] = number + 1
        stack = 0 if p == TIMER_P else self._stack(waker.pc)
        self._event(at, p, GO_UNBLOCK, g.id, number, stack)

    def enter(self, at, hart, g, p):
        self._event(at, p, GO_SYS_CALL, self._stack(g.pc))

    def lose(self, at, hart, g, p):
        self._event(at, p, GO_SYS_BLOCK)
        self._event(at, p, PROC_STOP)
        del self.runs[p]

    def leave(self, at, hart, g, p):
        if p is None:
            number = self.numbers[g.id]
            self.numbers[g.id] = number + 1
            self._event(at, TIMER_P, GO_SYS_EXIT, g.id, number, 0)

    # ---- Ps, and what the program says ----

    def p_start(self, at, hart, p):
        self._event(at, p, PROC_START, hart.number)

    def p_stop(self, at, hart, p):
        self._event(at, p, PROC_STOP)

    def gomaxprocs(self, at, hart, n):
        self._event(at, TIMER_P, GOMAXPROCS, n, 0)

    def _said(self, at, hart, g, kind, *arguments):
        """An event of g's, with its stack; False if it has no P to say it on."""
        if g is None or hart.p is None or self.runs.get(hart.p) is not g:
            self.left_out += 1
            return False
        self._event(at, hart.p, kind, *arguments, self._stack(g.pc))
        return True

    def log(self, at, hart, g, task, category, message):
        if self._said(at, hart, g, USER_LOG, task, self._string(category)):
            data = message.encode()
            out = self.batches[hart.p][0]
            uleb(len(data), out)
            out += data

    def region(self, at, hart, g, task, name, begins):
        """Go insists that they nest: an end is for a beginning that is there, and the last one."""
        said = self.said.setdefault(g.id, [])
        if not begins and not said.pop():
            return
        if False in said:
            is_said = False
        else:
            is_said = self._said(at, hart, g, USER_REGION, task, 0 if begins else 1,
                                 self._string(name))
        if begins:
            said.append(is_said)
        elif not is_said:
            said.insert(0, False)  # Go holds it for open: no more of this goroutine's

    def task(self, at, hart, g, task, name, parent):
        if name is None:
            self._said(at, hart, g, USER_TASK_END, task)
        else:
            self._said(at, hart, g, USER_TASK_CREATE, task, parent, self._string(name))

    def world(self, at, hart, g, stops):
        self.log(at, hart, g, 0, "pinion", "the world stops" if stops else "the world goes on")

    def _stop_all(self, at):
        """Each P's goroutine yields, or its system call blocks, and each P stops."""
        world = self.world_now
        for p in list(self.runs):
            if p in world.lent:
                self.lose(at, None, world.lent[p], p)
            else:
                self._event(at, p, GO_SCHED, self._stack(self.runs[p].pc))
        for p in world.holder:
            self._event(at, p, PROC_STOP)

    def finish(self, at):
        self._stop_all(at)
        file = self.file
        file.write(HEADER)
        for out, _ in self.batches.values():
            file.write(out)
        out = bytearray((FREQUENCY,))
        uleb(1_000_000_000, out)
        for body in self.frames:
            out.append(STACK | 3 << 6)
            uleb(len(body), out)
            out += body
        file.write(self.tables + out)
