"""A page of ours in Chromium, seen from outside: what it shows, says and counts. See recorder.js for what is recorded."""

import json
import time

from playwright.sync_api import Error as PlaywrightError

from car import DEADLINE

# What is to be read in the bar of the page (static/index.html).
SAID = """(() => { const bar = document.getElementById("bar");
                   return !bar || bar.hidden ? "" : ["sentence", "hint"].map((id) => document.getElementById(id))
                       .filter((one) => !one.hidden).map((one) => one.textContent).join(" "); })()"""


class Watch:
    """A viewer: an open page."""

    def __init__(self, page, url, log):
        self.page = page
        self.url = url
        self.log = log
        log.write_text("")
        page.on("console", lambda message: self._write(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self._write(f"uncaught: {error}"))

    def _write(self, line):
        with open(self.log, "a") as log:
            log.write(line + "\n")

    def goto(self, **options):
        self.page.goto(self.url, wait_until="commit", **options)
        return self

    def until(self, expression, what, deadline=DEADLINE, argument=None):
        """Until the JavaScript expression (or function of `argument`) is true in the page; gives its value.

        Polled from here: the page forbids eval(), which Playwright's own wait_for_function would need.
        """
        end = time.monotonic() + deadline
        while True:
            try:
                value = self.page.evaluate(expression, argument)
            except PlaywrightError as error:  # between two documents, or before the page's scripts ran
                value = None
                problem = f"\n{error}"
            else:
                problem = ""
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"not within {deadline:g} s: {what}\nthe page: {self.describe()}{problem}")
            self.page.wait_for_timeout(20)

    def describe(self):
        try:
            return json.dumps(self.page.evaluate(
                """async () => ({ stats: window.windshield?.stats?.(), decoded: window.recorder?.decoded.length,
                    shown: window.recorder?.shown.length, said: SAID, errors: window.recorder?.errors,
                    last: window.recorder?.shown.slice(-3), answer: window.recorder?.answers.at(-1)?.match(/a=candidate.*/g),
                    ice: [...(await window.recorder?.pc?.getStats() ?? new Map()).values()]
                        .filter(({ type }) => /candidate/.test(type))
                        .map((one) => [one.type, one.candidateType, one.address, one.port, one.state, one.requestsSent,
                                       one.responsesReceived, one.nominated].filter((value) => value != null).join(" ")) })""".replace("SAID", SAID)), indent=1)
        except Exception as error:
            return str(error)

    # --- frames -------------------------------------------------------------------------------------------------------

    def wait_decoded(self, count, deadline=DEADLINE):
        """Until `count` more frames than now came out of the decoder; gives those."""
        return self._wait("decoded", count, deadline)

    def wait_shown(self, count, deadline=DEADLINE):
        """Until `count` more frames than now reached the compositor; gives those."""
        return self._wait("shown", count, deadline)

    def _wait(self, which, count, deadline):
        start = self.page.evaluate(f"window.recorder?.{which}.length ?? 0")
        self.until(f"(window.recorder?.{which}.length ?? 0) >= {start + count}", f"{count} more frames {which}", deadline)
        return self.frames(which)[start:start + count]

    def frames(self, which="decoded"):
        return self.page.evaluate(f"window.recorder.{which}")

    def assert_nothing_missing(self):
        """Every frame of the newest track from its first to its last has come, in order. A gap in what the track gave out
        counts only if the browser cannot account for it: on a busy machine it drops whole frames by itself."""
        frames = self.frames()
        frames = [frame for frame in frames if frame["track"] == frames[-1]["track"]]
        assert_in_order(frames)
        numbers = [frame["frame"] for frame in frames]
        self.assert_own_gaps(numbers[-1] - numbers[0] + 1 - len(numbers), len(frames))

    def assert_own_gaps(self, gaps, seen):
        """So many frames are missing among those that were seen, and the browser says that it dropped as many itself."""
        if gaps:
            rtc = self.rtc()
            own = rtc["framesDropped"] + rtc["framesDecoded"] - seen
            assert rtc["packetsLost"] == 0 and gaps <= own, f"{gaps} missing besides {seen}: {rtc}"

    # --- words --------------------------------------------------------------------------------------------------------

    def stats(self):
        """What the page says of itself."""
        return self.page.evaluate("window.windshield.stats()")

    def said(self):
        """What a person reads on the page now: the sentence and the hint under it; empty when the bar is hidden."""
        return self.page.evaluate(SAID)

    def wait_said(self, pattern, deadline=DEADLINE):
        """Until that matches the pattern, whatever the case of letters; gives it."""
        return self.until(f"(pattern) => {{ const said = {SAID}; return new RegExp(pattern, 'i').test(said) && said; }}",
                          f"the page says something like /{pattern}/", deadline, argument=pattern)

    def wait_not_said(self, pattern, deadline=DEADLINE):
        """Until it does not (any more)."""
        self.until(f"(pattern) => !new RegExp(pattern, 'i').test({SAID})",
                   f"the page says nothing like /{pattern}/", deadline, argument=pattern)

    # --- the connection -----------------------------------------------------------------------------------------------

    def rtc(self):
        """inbound-rtp of the video in the newest connection, from getStats(); None before the first packet."""
        return self.page.evaluate(
            """async () => { for (const entry of (await recorder.pc?.getStats() ?? new Map()).values())
                             if (entry.type === "inbound-rtp" && entry.kind === "video") return entry;
                             return null; }""")

    def answer(self):
        return self.page.evaluate("window.recorder.answers.at(-1)")

    def offer(self):
        return self.page.evaluate("window.recorder.offers.at(-1)")

    def close(self):
        self.page.close()


def assert_consecutive(frames, what="frames"):
    """Strip numbers without a gap, a repeat or an unreadable strip."""
    numbers = [frame["frame"] for frame in frames]
    assert None not in numbers, f"{what}: unreadable strip at {numbers.index(None)} of {len(numbers)}: {numbers}"
    steps = [b - a for a, b in zip(numbers, numbers[1:])]
    assert all(step == 1 for step in steps), f"{what} are not consecutive: {numbers}"


def assert_in_order(frames, what="frames"):
    """Strip numbers that never go back (a busy compositor may skip some)."""
    numbers = [frame["frame"] for frame in frames if frame["frame"] is not None]
    assert numbers, f"{what}: no readable strip"
    assert all(b >= a for a, b in zip(numbers, numbers[1:])), f"{what} went back: {numbers}"
