"""replay.html in headless Chromium: it draws, zooms, finds and steps, and its machine is the dice's.

Skipped with a word where there is no Chromium, or npm cannot fetch the drawing library.
"""
import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "trace"))
import world  # noqa: E402
from maker import Dice  # noqa: E402
from tracelib import records as r, uplot  # noqa: E402
from tracelib.replay import Replay  # noqa: E402

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")

# Runs in the page once it is ready; what it returns comes back as JSON.
PROBE = """
<script>
const waiting = setInterval(() => {
  if (!document.body.dataset.ready) return;
  clearInterval(waiting);
  let result;
  try { result = (() => { %s })(); } catch (error) { result = {error: error.stack}; }
  const pre = document.createElement("pre");
  pre.id = "result"; pre.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(result))));
  document.body.append(pre);
}, 20);
</script>
"""


def page_of(dice):
    page = io.StringIO()
    trace = world.reader.Trace(memoryview(dice.bytes()))
    model = world.Model(trace, world.Symbols(), [Replay(page, uplot.library())], strict=True)
    model.run(world.Merge(trace))
    return page.getvalue()


def ask(browser, page, script):
    """What the script returns in the page."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "page.html")
        with open(path, "w", encoding="utf-8") as file:
            file.write(page + PROBE % script)
        done = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000",
             "--virtual-time-budget=20000", "--dump-dom", "file://" + path],
            text=True, capture_output=True, check=False, timeout=300)
    found = re.search(r'<pre id="result">([^<]*)</pre>', done.stdout)
    assert found, f"the page is not ready: {done.stderr[-2000:]}"
    result = json.loads(base64.b64decode(found[1]))
    assert "error" not in result, result["error"]
    return result


def the_page_fetches_nothing(browser):
    page = page_of(Dice(seed=1).play(300))
    assert not re.search(r'(src|href)\s*=\s*["\']|@import|url\(', page), "it asks for something"


def the_machine_of_the_page_is_the_dices(browser):
    dice, moments = Dice(seed=5, step_ticks=40), []
    for events in range(50, 2000, 150):
        dice.play(events)
        moments.append({"event": dice.counts["events"] - 1, "rings": [list(x) for x in dice.rings_of],
                        "next": [[g] if g else [] for g in dice.next],
                        "everywhere": list(dice.everywhere), "waiting": sorted(dice.waiting)})
    dice.play(2100)
    # Back and forth, so that snapshots and going back are tried too.
    order = moments[::2] + moments[::-1]
    script = f"""
      const order = {json.dumps([m["event"] for m in order])};
      return order.map(n => {{ go(n); const m = machine;
        const q = (w, p) => [...m.queue.get(keyOf(w, p)) ?? []];
        return {{event: now, rings: [0, 1, 2, 3].map(p => q(TAIL, p)), next: [0, 1, 2, 3].map(p => q(NEXT, p)),
          everywhere: q(GLOBAL), waiting: [...m.g].filter(([, at]) => at[0] === WAITS).map(([g]) => g).sort((a, b) => a - b)}}; }});"""
    for got, real in zip(ask(browser, page_of(dice), script), order, strict=True):
        assert got == real, (got, real)


def hands_zoom_hover_find_and_step(browser):
    dice = Dice(seed=2, step_ticks=40).play(1500)
    got = ask(browser, page_of(dice), """
      const out = {}, box = canvas.getBoundingClientRect(), whole = to - from;
      const i = firstSlice[1] - 1 - 5, at = (slices[0][i] + slices[1][i]) / 2;
      show(at - 2000, at + 2000);
      canvas.dispatchEvent(new MouseEvent("mousemove", {clientX: box.left + LEFT + (box.width - LEFT) / 2, clientY: box.top + 5}));
      out.tip = $("tip").textContent; out.shown = $("tip").style.display; out.real = describe(i);
      show(0, facts.end);
      canvas.dispatchEvent(new WheelEvent("wheel", {deltaY: -500, clientX: box.left + box.width / 2, clientY: box.top + 5, cancelable: true}));
      out.zoom = (to - from) / whole;
      $("all").click(); out.back = to - from === whole;
      go(10); $("step").click(); out.step = now; $("back").click(); $("back").click(); out.back_step = now;
      out.rule = $("rule").textContent;
      $("search").value = "main"; $("search").dispatchEvent(new Event("input")); out.wanted = [...wanted];
      go(0); $("find").click(); out.found = now; out.type = events[1][now]; out.who = events[5][now];
      const dots = canvas.getContext("2d").getImageData(100, 10, 900, 1).data;
      out.colors = new Set(Array.from({length: 900}, (_, x) => dots[4 * x] << 16 | dots[4 * x + 1] << 8 | dots[4 * x + 2])).size;
      const log = Object.keys(facts.said).map(Number).find(n => facts.said[n].startsWith("log numbers: "));
      go(log); out.log = $("rule").textContent; out.text = facts.said[log];
      const [time, , hart] = events.map(column => column[log]);
      out.said = describe(above(slices[0], time, firstSlice[hart], firstSlice[hart + 1]) - 1);
      out.inside = slices[7].some((n, i) => n && describe(i).includes("in region region "));
      out.plot = document.querySelectorAll("#lengths canvas").length;
      return out;""")
    assert got["shown"] == "block" and got["tip"] == got["real"], got
    assert "made ready by: " in got["tip"] and "then: " in got["tip"], got["tip"]
    assert 0.3 < got["zoom"] < 0.7 and got["back"], got
    assert got["step"] == 11 and got["back_step"] == 9 and len(got["rule"]) > 10, got
    assert got["wanted"] == [1] and got["found"] > 0 and got["who"] == 1, got
    assert got["type"] == r.G_START, got
    assert got["log"].endswith(got["text"]) and got["text"] in got["said"] and got["inside"], got
    assert got["colors"] >= 2 and got["plot"] == 1, got


def main():
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("no Chromium here: replay.html is not tried")
        return 0
    try:
        uplot.library()
    except uplot.NoLibrary as error:
        print(f"replay.html is not tried: {error}")
        return 0
    failed = 0
    for test in (the_page_fetches_nothing, the_machine_of_the_page_is_the_dices,
                 hands_zoom_hover_find_and_step):
        try:
            test(browser)
        except Exception as error:
            failed = 1
            print(f"FAILED {test.__name__}: {error!r}")
    return failed


sys.exit(main())
