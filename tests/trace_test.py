"""tools/pinion-trace on traces made here: tests/trace/maker.py by hand, and a machine with dice."""
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "trace"))
import world  # noqa: E402
from maker import BEGIN, CLOCK, Dice, Maker  # noqa: E402
from tracelib import reader, records as r  # noqa: E402
from tracelib.world import Impossible  # noqa: E402

MAIN, WORKER = 0x80200100, 0x80200200


def small():
    """Each type of event once at least, on two harts."""
    m = Maker()
    m.add(0, r.G_STATUS, 1, MAIN, r.RUNNING)
    m.said(0, r.G_NAME, 1, b"main")
    m.add(0, r.G_STATUS, 2, WORKER, r.WAITING, 2)
    m.add(0, r.G_STATUS, 3, WORKER, r.SECTION)
    m.add(0, r.G_STATUS, 4, WORKER, r.RUNNABLE)
    m.now += 10
    m.add(0, r.G_CREATE, 5, WORKER, r.NEXT, 0, seq=0x44)
    m.said(0, r.TASK_BEGIN, 1, b"a task", arg=7, seq=0)
    m.said(0, r.REGION_BEGIN, 1, b"a region", arg=7)
    m.said(0, r.LOG, 1, b"moodfine, thanks", arg=7, aux=4)
    m.now += 10
    m.add(0, r.IPI_SEND, 0, 1, 0)
    m.add(1, r.IPI_RECEIVED, ring=1)
    m.add(1, r.P_START, 0, 0, 0, 1)
    m.add(1, r.STEAL, 4, 1, 0, 0)
    m.add(1, r.G_START, 4, 0, 0, 1)
    m.now += 10
    m.said(0, r.REGION_END, 1, b"a region", arg=7)
    m.add(0, r.TASK_END, 1, 7)
    m.add(0, r.G_UNBLOCK, 2, 1, r.TAIL, 0)
    m.add(0, r.SPILL, 0, 1, 0, 0)
    m.add(0, r.G_SCHED, 1, 0, r.TAIL, 0)
    m.add(0, r.G_BEHIND, 5, 0, 0, 0)
    m.add(0, r.GLOBAL_GET, 0, 1, 0, 0)
    m.add(0, r.G_START, 2, 0, 0, 0)
    m.now += 10
    m.add(1, r.TIMER_IRQ, ring=1)
    m.add(1, r.PREEMPT_WANTED, aux=r.PREEMPT_SLICE, ring=1)
    m.add(1, r.G_PREEMPT, 4, 0, r.PREEMPT_SLICE)
    m.add(0, r.SECTION_ENTER, 2, 0, 0, 0)
    m.add(1, r.RETAKE, 0, 0, 0, 0)
    m.add(0, r.SECTION_EXIT, 2, 0, r.EXIT_QUEUED)
    m.now += 10
    m.add(1, r.SECTION_EXIT, 3, 0, r.EXIT_QUEUED)
    m.add(1, r.G_START, 1, 0, 0, 1)
    m.add(1, r.STW_BEGIN, 1)
    m.add(1, r.GOMAXPROCS, 0, 1)
    m.add(1, r.STW_END, 1)
    m.add(1, r.TIMER_FIRE, 0, 0, 0, 1)
    m.add(1, r.G_BLOCK, 1, 0, 1)
    m.now += 10
    m.add(1, r.G_UNBLOCK, 1, 0, r.INBOX, 1, ring=1)
    m.add(1, r.G_START, 5, 0, 0, 1)
    m.add(1, r.G_END, 5)
    m.add(1, r.P_STOP, 0, 0, 1, 1)
    return m


def every_type_of_event_comes_through_all_formats():
    with tempfile.TemporaryDirectory() as folder:
        done = world.check_all(small().bytes(), folder)
    types = {record[3] for record in done.seen.records}
    assert types == set(r.NAMES) - {r.TEXT}, [r.NAMES[t] for t in set(r.NAMES) - types]
    said = "\n".join(done.lines())
    for words in ("g2 0x80200200 is waiting (chan receive)", "steals 1 from P0",
                  "task 7, log mood: fine, thanks", "is called 'main'", "waits: sleep",
                  "goes from runnext to the global queue", "h1! P1"):
        assert words in said, words
    numbers = done.numbers()
    for key, value in {"starts": 4, "steals": 1, "stolen": 1, "preemptions": 2, "creates": 1,
                       "ends": 1, "unblocks": 2, "ipis_sent": 1, "ipis_received": 1,
                       "lost": 0, "complaints": 0}.items():
        assert int(numbers[key]) == value, (key, numbers[key])


def flows_lead_from_the_waker_to_the_start_of_the_woken():
    events = world.Converted(small().bytes()).events()
    begin, = [e for e in events if e["ph"] == "s"]
    end, = [e for e in events if e["ph"] == "f"]
    assert begin["id"] == end["id"] and begin["tid"] == 0 and end["tid"] == 0
    assert begin["ts"] == 3.0 and end["ts"] == 3.0, (begin, end)


def go_sees_the_same_events():
    lines = world.go_events(world.Converted(small().bytes()).go.getvalue())
    if lines is None:
        print("no go here")
        return
    kinds = [line.split()[1] for line in lines]
    for kind, n in {"GoCreate": 5, "GoStart": 4, "GoStartLabel": 1, "GoWaiting": 1,
                    "GoInSyscall": 1, "GoUnblock": 2, "GoSched": 1, "GoPreempt": 1, "GoSleep": 1,
                    "GoSysCall": 1, "GoSysBlock": 1, "GoSysExit": 2, "GoEnd": 1, "UserLog": 3,
                    "UserTaskCreate": 1, "UserTaskEnd": 1, "UserRegion": 2, "Gomaxprocs": 2,
                    "ProcStart": 2, "ProcStop": 2}.items():
        assert kinds.count(kind) == n, (kind, kinds.count(kind))
    log, = [line for line in lines if "category=mood" in line]
    assert "g=1" in log and "message=fine, thanks" in log, log


def the_pages_of_go_tool_trace_are_made():
    """Parsing is not enough for the viewer: it wants an end of each start, and names."""
    for dice in (Dice(seed=4).play(1500), Dice(seed=7, harts=2).play(1500)):
        dice.lose_oldest(0, 200 * (dice.harts - 2))
        done = world.Converted(dice.bytes(), strict=False)
        pages = world.go_pages(done.go.getvalue(), ("goroutines", "jsontrace", "userregions",
                                                          "usertasks"))
        if pages is None:
            print("no go here: its pages are not looked at")
            return
        assert "region 1" in pages[2] and "0x80200" in pages[2], pages[2]
        assert "0x80200" in pages[0], pages[0]
        slices = [e for e in json.loads(pages[1])["traceEvents"] if e["ph"] == "X"]
        starts = done.stats.n
        assert len(slices) == starts, (len(slices), starts)


def equal_ticks_are_put_in_order_by_numbers():
    m = Maker(harts=3)
    # Later rings hold what was earlier: neither the time nor the order in the file is a help.
    for hart in range(3):
        m.ring(hart)
    m.add(2, r.G_STATUS, 1, MAIN, r.RUNNING)
    m.add(2, r.G_CREATE, 9, WORKER, r.NEXT, 2)
    m.add(1, r.STEAL, 9, 1, 0, 2)
    m.add(1, r.G_START, 9, 0, 0, 1)
    m.add(1, r.G_BLOCK, 9, 0, 2)
    m.add(0, r.G_UNBLOCK, 9, 0, r.TAIL, 0)
    m.add(0, r.G_START, 9, 0, 0, 0)
    done = world.Converted(m.bytes())
    kinds = [record[3] for record in done.seen.records]
    assert kinds == [r.G_STATUS, r.G_CREATE, r.STEAL, r.G_START, r.G_BLOCK, r.G_UNBLOCK,
                     r.G_START], kinds


def a_p_is_taken_after_it_was_let_go():
    m = Maker()
    m.add(1, r.P_START, 0, 0, 0, 1)
    m.now += 100
    m.add(0, r.P_START, 0, 0, 0, 1)  # in the file before the P_STOP of the same tick
    m.add(1, r.P_STOP, 0, 0, 1, 1)
    m.now += 1
    m.add(0, r.P_STOP, 0, 0, 1, 1)
    m.add(1, r.P_START, 0, 0, 0, 1)
    done = world.Converted(m.bytes())
    assert [record[3] for record in done.seen.records] == [
        r.P_START, r.P_STOP, r.P_START, r.P_STOP, r.P_START]


def dice_are_followed_without_a_complaint():
    """Coarse and skewed clocks, one hart or eight: each goroutine's events come in the order in which
    they were, the counts are right, and every program reads what comes out."""
    for seed, more in enumerate(({}, {"skew": 8, "step_ticks": 2}, {"step_ticks": 1},
                                 {"harts": 8, "skew": 8}, {"harts": 1}, {"harts": 2, "skew": 5})):
        dice = Dice(seed=seed, **more).play(2000)
        with tempfile.TemporaryDirectory() as folder:
            done = world.check_all(dice.bytes(), folder)
        order = {}
        for record in done.seen.records:
            if record[3] in r.STARRED:
                order.setdefault(record[1], []).append(record[3])
        assert order == dice.order, (seed, more)
        assert done.seen.times == sorted(done.seen.times), (seed, more)
        numbers = done.numbers()
        for key, value in dice.counts.items():
            assert int(numbers[key]) == value, (seed, more, key, numbers[key], value)
        world.told(dice.bytes())


def queues_are_what_the_dice_have_in_them():
    dice = Dice(seed=5, step_ticks=40)
    for events in range(100, 2500, 60):
        dice.play(events)
        queues = world.Converted(dice.bytes()).model.queues
        for p in range(dice.harts):
            ring = list(queues.queue(r.TAIL, p))
            assert ring == dice.rings_of[p], (events, p, ring, dice.rings_of[p])
            assert list(queues.queue(r.NEXT, p)) == [g for g in (dice.next[p],) if g], (events, p)
        assert list(queues.queue(r.TAIL, -1)) == dice.everywhere, events


def of_the_stolen_the_last_runs_and_the_rest_move():
    m = Maker()
    m.add(0, r.G_STATUS, 1, MAIN, r.RUNNING)
    for g in range(2, 7):
        m.add(0, r.G_CREATE, g, WORKER, r.TAIL, 0)
    m.add(1, r.P_START, 0, 0, 0, 1)
    m.now += 100
    m.add(1, r.STEAL, 2, 3, 0, 0)
    m.add(1, r.G_START, 4, 0, 0, 1)
    queues = world.Converted(m.bytes()).model.queues
    assert list(queues.queue(r.TAIL, 0)) == [5, 6] and list(queues.queue(r.TAIL, 1)) == [2, 3]
    m.add(1, r.SPILL, 0, 2, 0, 1)
    m.add(1, r.G_END, 4)
    m.add(1, r.GLOBAL_GET, 0, 2, 0, 1)
    m.add(1, r.G_START, 2, 0, 0, 1)
    queues = world.Converted(m.bytes()).model.queues
    assert list(queues.queue(r.TAIL, 1)) == [3] and not queues.queue(r.TAIL, -1)
    assert queues.lengths == {0: 2, 1: 1, -1: 0}, queues.lengths


def lost_records_leave_a_world_without_contradictions():
    for seed in range(6):
        dice = Dice(seed=seed, skew=4).play(3000)
        for hart in range(dice.harts):
            if seed % 2:
                dice.lose_oldest(hart, dice.dice.randrange(len(dice.ring(hart))))
            else:
                dice.lose_newest(hart, dice.dice.randrange(len(dice.ring(hart))))
        world.told(dice.bytes())
        done = world.Converted(dice.bytes(), strict=False)
        assert int(done.numbers()["lost"]) == sum(dice.lost.values()) > 0
        assert world.unnested(done.events()) is None, seed
        world.go_events(done.go.getvalue())


def a_beginning_that_was_overwritten_is_no_complaint():
    dice = Dice(seed=3, harts=2).play(2000)
    dice.lose_oldest(0, len(dice.ring(0)) // 2)
    dice.lose_oldest(1, len(dice.ring(1)) // 3)
    assert world.Converted(dice.bytes()).model.n_complaints == 0


def what_is_said_after_a_lost_start_is_no_complaint():
    m = Maker()
    m.add(0, r.P_START, 0, 0, 0, 0)
    m.add(0, r.G_CREATE, 5, WORKER, r.NEXT, 0)
    m.add(1, r.P_START, 0, 0, 0, 1)
    m.add(1, r.G_START, 5, 0, 0, 1)
    m.said(1, r.REGION_END, 5, b"begun before")
    m.lose_oldest(1, 2)
    assert world.told(m.bytes()).n_complaints == 0, world.told(m.bytes()).complaints
    whole = Maker()
    whole.add(0, r.P_START, 0, 0, 0, 0)
    whole.add(0, r.G_CREATE, 5, WORKER, r.NEXT, 0)
    whole.said(0, r.REGION_END, 5, b"where it does not run")
    assert world.told(whole.bytes()).n_complaints == 1


def text_without_its_leader_is_skipped():
    m = Maker()
    m.add(0, r.G_STATUS, 1, MAIN, r.RUNNING)
    m.said(0, r.LOG, 1, b"x" * 60, aux=1)
    m.add(0, r.G_BLOCK, 1, 0, 1)
    del m.rings[0, 0][:2]  # the leader and what was before: two TEXT remain
    m.lost[0, 0] = 2
    done = world.Converted(m.bytes())
    assert [record[3] for record in done.seen.records] == [r.TEXT, r.G_BLOCK][1:]


def text_that_is_cut_short_hides_no_event():
    m = Maker()
    m.add(0, r.G_STATUS, 1, MAIN, r.RUNNING)
    m.said(0, r.LOG, 1, b"y" * 60, aux=1)
    del m.rings[0, 0][3:]
    m.said(0, r.LOG, 1, b"k" + b"v" * 30, aux=1)
    m.add(0, r.G_BLOCK, 1, 0, 1)
    done = world.Converted(m.bytes())
    assert [record[3] for record in done.seen.records] == [r.G_STATUS, r.LOG, r.LOG, r.G_BLOCK]
    assert "log y: " + "y" * 23 in done.lines()[1], done.lines()[1]
    assert "log k: " + "v" * 30 in done.lines()[2], done.lines()[2]


def names_of_odd_bytes_break_no_format():
    odd = b'a"b\\c\n\x00\x1b[31m\xff\xfe</script>\xe2\x82\xac\xf0\x9f\x98\x80%s{}'
    m = Maker()
    m.add(0, r.G_STATUS, 1, MAIN, r.RUNNING)
    m.said(0, r.G_NAME, 1, odd)
    m.said(0, r.REGION_BEGIN, 1, odd)
    m.said(0, r.LOG, 1, odd + odd, aux=len(odd))
    m.said(0, r.TASK_BEGIN, 1, odd, arg=1)
    m.said(0, r.REGION_BEGIN, 1, b"")
    m.said(0, r.REGION_END, 1, b"")
    m.said(0, r.REGION_END, 1, odd)
    m.add(0, r.G_SCHED, 1, 0, r.TAIL, 0)
    m.add(0, r.G_START, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as folder:
        done = world.check_all(m.bytes(), folder)
    assert len(done.lines()) == 10, done.lines()
    assert not any(c < " " for line in done.lines() for c in line)
    name = [e for e in done.events("M") if e.get("tid") == 1 and e["pid"] == 2][0]["args"]["name"]
    assert name.startswith('g1 a"b\\c') and "€😀" in name, name


def what_cannot_be_is_a_complaint_with_its_place():
    for wrong, words in (((r.G_START, 2), "starts, but is waiting"),
                         ((r.G_BLOCK, 2), "is waiting, not running there"),
                         ((r.SECTION_EXIT, 1), "is running, in no section there"),
                         ((r.G_UNBLOCK, 1), "is woken, but is running"),
                         ((r.G_CREATE, 1), "is there already")):
        m = Maker()
        m.add(0, r.G_STATUS, 1, MAIN, r.RUNNING)
        m.add(0, r.G_STATUS, 2, MAIN, r.WAITING, 1)
        m.now += 10
        m.add(0, r.TIMER_FIRE)
        # Their first event is believed; so a right one first.
        m.add(0, r.G_UNBLOCK, 2, 1, r.TAIL, 0)
        m.add(0, r.G_SCHED, 1, 0, r.TAIL, 0)
        m.add(0, r.G_START, 2, 0, 0, 0)
        m.add(0, r.G_BLOCK, 2, 0, 1)
        m.add(0, r.G_START, 1, 0, 0, 0)
        m.add(0, *wrong)
        try:
            world.Converted(m.bytes())
            raise AssertionError(f"{words}: not seen")
        except Impossible as error:
            assert words in str(error) and f"event 8 ({r.NAMES[wrong[0]]} of hart 0 at 1000 ns)" \
                in str(error), error
        done = world.Converted(m.bytes(), strict=False)
        assert done.model.n_complaints >= 1, words
        assert world.unnested(done.events()) is None
        world.go_events(done.go.getvalue())
        world.told(m.bytes())


def any_nonsense_leaves_a_world_without_contradictions():
    """Records of the dice at random places in other rings, with other goroutines and Ps."""
    for seed in range(8):
        dice = Dice(seed=seed).play(1500)
        rolls = dice.dice
        for _ in range(60):
            ring = dice.ring(rolls.randrange(4))
            at = rolls.randrange(len(ring))
            fields = list(r.RECORD.unpack(ring[at]))
            if fields[3] == r.TEXT:
                continue
            fields[r.G] = rolls.randrange(40)
            fields[r.TYPE] = rolls.randrange(36)
            fields[r.AUX2] = rolls.randrange(6)
            fields[r.AUX] = rolls.randrange(8)
            ring[at] = r.RECORD.pack(*fields)
        world.told(dice.bytes())
        done = world.Converted(dice.bytes(), strict=False)
        assert done.model.n_complaints > 0, seed
        assert world.unnested(done.events()) is None, seed
        world.go_events(done.go.getvalue())


def numbers_that_contradict_each_other_come_to_an_end():
    m = Maker()
    m.add(0, r.G_STATUS, 1, MAIN, r.WAITING)
    m.add(0, r.G_STATUS, 2, MAIN, r.WAITING)
    m.add(0, r.G_UNBLOCK, 1, 0, r.TAIL, 0, seq=2)
    m.add(0, r.G_UNBLOCK, 2, 0, r.TAIL, 0, seq=1)
    m.add(1, r.G_START, 2, 0, 0, 1, seq=2)
    m.add(1, r.G_START, 1, 0, 0, 1, seq=1)
    done = world.Converted(m.bytes(), strict=False)
    assert len(done.seen.records) == 6
    assert any("cannot be in order" in line for line in done.model.complaints)


def a_file_cut_anywhere_is_converted_as_far_as_it_goes():
    data = small().bytes()
    whole = world.Converted(data)
    assert whole.trace.complaints == []
    n = len(whole.seen.records)
    for length in range(0, len(data)):
        try:
            trace = reader.Trace(memoryview(data[:length]))
        except reader.BadTrace:
            assert length < reader.HEADER.size, length
            continue
        assert len(trace.complaints) == 1 and "cut off" in trace.complaints[0], length
        if length % 8 == 0:
            done = world.Converted(data[:length], strict=False)
            assert len(done.seen.records) <= n
            assert length < len(data) - 4 or len(done.seen.records) == n


def a_wrong_check_sum_is_said_and_the_rest_converted():
    data = bytearray(small().bytes())
    data[-1] ^= 1
    done = world.Converted(bytes(data), strict=False)
    assert "check sum" in done.trace.complaints[0], done.trace.complaints
    assert len(done.seen.records) == len(world.Converted(small().bytes()).seen.records)


def carried(log):
    """What reader.read makes of a log."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(log)
        file.flush()
        return reader.read(file.name)


def a_trace_comes_over_a_serial_line():
    dice = Dice(seed=8).play(800)
    lines, other = dice.lines(), b"hello\r\n[console: 7 bytes lost]\n"
    crlf = [line.replace(b"\n", b"\r\n") for line in lines]
    for log in (b"".join(lines), b"".join(crlf), other.join([b"", *crlf, b""]),
                b"".join(b"half a line " + line for line in lines)):
        trace = carried(log)
        assert not trace.complaints, trace.complaints
        assert b"".join(ring.data for ring in trace.rings) == b"".join(
            ring.data for ring in reader.Trace(memoryview(dice.bytes())).rings)


def of_a_damaged_line_nothing_is_believed():
    """Each line in turn, each in another way: the sound records are there, in their order, the others are
    counted, and it is said."""
    dice = Dice(seed=9, harts=2).play(300)
    lines, whole = dice.lines(), reader.Trace(memoryview(dice.bytes()))
    ways = (lambda line: b"", lambda line: line[:-5] + b"\n", lambda line: line.replace(b" ", b"", 1),
            lambda line: line[:30] + bytes((line[30] ^ 1,)) + line[31:], lambda line: line[:-1] + b" ")
    for i, line in enumerate(lines):
        log = b"".join([*lines[:i], ways[i % len(ways)](line), *lines[i + 1:]])
        try:
            trace = carried(log)
        except reader.BadTrace as error:
            assert i == 0, (i, error)
            continue
        assert i > 0 and trace.complaints, i
        if any("head of a ring" in complaint for complaint in trace.complaints):
            continue
        for ring, real in zip(trace.rings, whole.rings, strict=True):
            assert len(ring) + ring.lost == len(real), (i, len(ring), ring.lost)
            rest = iter(real.raw())
            assert all(record in rest for record in ring.raw()), i  # in its order
        model = world.Model(trace, world.Symbols(), [world.Strictest()])
        model.run(world.Merge(trace))


def of_several_traces_in_a_log_one_is_taken():
    first, second = Dice(seed=1).play(100), Dice(seed=2).play(200)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log")
        for lines in (first.lines() + second.lines(), first.lines()[:-1] + second.lines(),
                      first.lines() + second.lines()[1:]):
            with open(path, "wb") as file:
                file.write(b"".join(lines))
            assert len(reader.read(path)) == len(reader.Trace(memoryview(first.bytes())))
            try:
                assert len(reader.read(path, 2)) == len(reader.Trace(memoryview(second.bytes())))
            except reader.BadTrace as error:
                assert "header" in str(error) and len(lines) < len(first.lines() + second.lines()), error
        done = run(path, "--number", "3", "--stats")
        assert done.returncode == 2 and "2 traces, and none of number 3" in done.stderr, done.stderr


def a_damaged_header_is_refused_in_one_sentence():
    good = small().bytes()
    for at, value, words in ((0, b"x", "no trace"), (8, b"\2", "version 2"), (12, b"\x40", "bytes"),
                             (16, bytes(8), "damaged"), (48, b"\xff" * 4, "damaged")):
        data = good[:at] + value + good[at + len(value):]
        try:
            reader.Trace(memoryview(data))
            raise AssertionError(f"byte {at}: taken for a trace")
        except reader.BadTrace as error:
            assert words in str(error) and "\n" not in str(error), error


def latency_and_run_time_are_added_up():
    m = Maker(harts=1)
    m.add(0, r.G_STATUS, 1, MAIN, r.RUNNING)
    m.add(0, r.G_STATUS, 2, WORKER, r.WAITING, 2)
    m.now += 100
    m.add(0, r.G_UNBLOCK, 2, 1, r.TAIL, 0)
    m.now += 50
    m.add(0, r.G_BLOCK, 1, 0, 1)
    m.add(0, r.G_START, 2, 0, 0, 0)
    m.now += 30
    m.add(0, r.G_END, 2)
    done = world.Converted(m.bytes())
    tick = 1_000_000_000 // CLOCK
    numbers = done.numbers()
    assert int(numbers["latency_max_ns"]) == 50 * tick and int(numbers["latency_min_ns"]) == 0
    lines = list(done.stats.lines())
    assert any(line.startswith(f"goroutine=1 run_ns={150 * tick} starts=1 ") for line in lines)
    assert any(line.startswith(f"goroutine=2 run_ns={30 * tick} starts=1 ") for line in lines)


def addresses_get_names_from_the_elf():
    with tempfile.TemporaryDirectory() as folder:
        elf = os.path.join(folder, "program.elf")
        code = bytes(64)
        names = b"\0alpha\0beta\0$x\0"
        symbols = bytes(24) + b"".join(
            struct.pack("<IBBHQQ", name, info, 0, 1, value, size) for name, info, value, size in
            ((1, 2, 0x1000, 16), (7, 2, 0x1010, 16), (12, 0, 0x1000, 0)))
        at = 64 + 56
        parts = [code, names, symbols]
        offsets = [at, at + len(code), at + len(code) + len(names)]
        sections = [bytes(64),
                    struct.pack("<IIQQQQIIQQ", 0, 1, 6, 0x1000, offsets[0], 64, 0, 0, 4, 0),
                    struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, offsets[1], len(names), 0, 0, 1, 0),
                    struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, offsets[2], len(symbols), 2, 0, 8, 24)]
        head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack(
            "<HHIQQQIHHHHHH", 2, 0, 1, 0x1000, 64, offsets[2] + len(symbols), 0, 64, 56, 1, 64, 4, 0)
        load = struct.pack("<IIQQQQQQ", 1, 5, at, 0x1000, 0x1000, 64, 64, 4)
        with open(elf, "wb") as file:
            file.write(head + load + b"".join(parts) + b"".join(sections))
        linked = world.Symbols(elf, 0x1000)
        assert [linked.function(pc) for pc in (0x1000, 0x100f, 0x1010, 0x1020)] == [
            "alpha", "alpha", "beta", "0x1020"]
        moved = world.Symbols(elf, 0x80001000)
        assert moved.function(0x80001010) == "beta" and moved.function(0x1010) == "0x1010"


def run(*words):
    return subprocess.run([sys.executable, world.TOOL, *words], text=True, capture_output=True,
                          check=False)


def the_command_says_what_is_wrong_in_its_exit_value():
    with tempfile.TemporaryDirectory() as folder:
        good, cut = os.path.join(folder, "good"), os.path.join(folder, "cut")
        data = small().bytes()
        for name, content in ((good, data), (cut, data[:-40])):
            with open(name, "wb") as file:
                file.write(content)
        done = run(good, "--out", os.path.join(folder, "all"), "--stats")
        assert done.returncode == 0, done
        assert done.stderr == "" or "no replay.html" in done.stderr, done
        assert "starts=4\n" in done.stdout, done.stdout
        made = set(os.listdir(os.path.join(folder, "all")))
        assert made - {"replay.html"} == {"ctf", "go.trace", "trace.json", "trace.txt"}, made
        assert ("replay.html" in made) == (done.stderr == ""), (made, done.stderr)
        done = run(cut, "--text", "-")
        assert done.returncode == 1 and "cut off" in done.stderr, done
        assert "steals 1 from P0" in done.stdout
        for words, sentence in (((os.path.join(folder, "none"),), "No such file"),
                                ((world.TOOL,), "no trace"),
                                ((good, "--elf", world.TOOL), "ELF"),
                                ((good, "--text", folder), "directory")):
            done = run(*words)
            assert done.returncode == 2 and sentence in done.stderr, done
            assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr


TESTS = [every_type_of_event_comes_through_all_formats,
         flows_lead_from_the_waker_to_the_start_of_the_woken,
         go_sees_the_same_events,
         the_pages_of_go_tool_trace_are_made,
         equal_ticks_are_put_in_order_by_numbers,
         a_p_is_taken_after_it_was_let_go,
         dice_are_followed_without_a_complaint,
         queues_are_what_the_dice_have_in_them,
         of_the_stolen_the_last_runs_and_the_rest_move,
         lost_records_leave_a_world_without_contradictions,
         a_beginning_that_was_overwritten_is_no_complaint,
         what_is_said_after_a_lost_start_is_no_complaint,
         text_without_its_leader_is_skipped,
         text_that_is_cut_short_hides_no_event,
         a_trace_comes_over_a_serial_line,
         of_a_damaged_line_nothing_is_believed,
         of_several_traces_in_a_log_one_is_taken,
         names_of_odd_bytes_break_no_format,
         what_cannot_be_is_a_complaint_with_its_place,
         any_nonsense_leaves_a_world_without_contradictions,
         numbers_that_contradict_each_other_come_to_an_end,
         a_file_cut_anywhere_is_converted_as_far_as_it_goes,
         a_wrong_check_sum_is_said_and_the_rest_converted,
         a_damaged_header_is_refused_in_one_sentence,
         latency_and_run_time_are_added_up,
         addresses_get_names_from_the_elf,
         the_command_says_what_is_wrong_in_its_exit_value]


def main(wanted):
    failed = 0
    for test in TESTS:
        if wanted and not any(word in test.__name__ for word in wanted):
            continue
        try:
            test()
        except Exception as error:
            failed += 1
            import traceback
            traceback.print_exc()
            print(f"FAILED {test.__name__}: {error}")
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
