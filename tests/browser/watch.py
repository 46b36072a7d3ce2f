"""A page of ours in Chromium, seen from outside: what it shows, says and counts. See recorder.js for what is recorded."""

import json

from car import DEADLINE


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
        """Until the JavaScript expression is true (in the page, at each animation frame); gives its value."""
        try:
            return self.page.wait_for_function(expression, arg=argument, timeout=deadline * 1000, polling=20).json_value()
        except Exception as error:
            raise AssertionError(f"not within {deadline:g} s: {what}\nthe page: {self.describe()}\n{error}") from None

    def describe(self):
        try:
            return json.dumps(self.page.evaluate(
                """() => ({ stats: window.windshield?.stats?.(), decoded: window.recorder?.decoded.length,
                            shown: window.recorder?.shown.length, errors: window.recorder?.errors,
                            last: window.recorder?.shown.slice(-3) })"""), indent=1)
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

    # --- words --------------------------------------------------------------------------------------------------------

    def stats(self):
        """What the page says of itself."""
        return self.page.evaluate("window.windshield.stats()")

    def sentence(self):
        return self.stats()["sentence"]

    def wait_sentence(self, pattern, deadline=DEADLINE):
        """Until the sentence on the page matches the (JavaScript, case-insensitive) pattern; gives it."""
        return self.until(
            """(pattern) => { const said = window.windshield?.stats().sentence ?? "";
                              return new RegExp(pattern, "i").test(said) && said; }""",
            f"a sentence like /{pattern}/", deadline, argument=pattern)

    # --- the connection -----------------------------------------------------------------------------------------------

    def rtc(self):
        """inbound-rtp of the video, from getStats()."""
        return self.page.evaluate(
            """async () => { for (const entry of (await window.windshield.session.pc.getStats()).values())
                             if (entry.type === "inbound-rtp" && entry.kind === "video") return entry; }""")

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
