"""Runs in the environment with playwright, perhaps in a network namespace: opens pages in Chromium and prints JSON.

watch URL BLANK SECONDS       one page, the small player: every frame shown, and the page's clock
joins URL BLANK COUNT [own]   a new page each time: POST to first frame; `own`: by the page that the sender serves
"""

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
SCRIPTS = [HERE.parents[1] / "tests" / "strip.js", HERE / "player.js"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]
DEADLINE_MS = 20_000


def reach(url):
    end = time.monotonic() + DEADLINE_MS / 1000
    while True:
        try:
            return urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return None
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def wait_for(page, expression):
    """Asks now and then: the page's own rules forbid playwright's way of waiting in it (script-src 'self')."""
    end = time.monotonic() + DEADLINE_MS / 1000
    while True:
        value = page.evaluate(expression)
        if value is not None and value is not False:
            return value
        if time.monotonic() > end:
            raise RuntimeError(f"after {DEADLINE_MS / 1000:g} s still not: {expression}")
        page.wait_for_timeout(50)


def open_player(page, url, blank):
    page.goto(url + blank)
    for script in SCRIPTS:
        page.evaluate(script.read_text())


def clock(page):
    """Where performance.now() has its zero on CLOCK_MONOTONIC: as Chromium says, and as a question to the page, of which the
    quickest of many answers bounds the error."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    best = None
    for _ in range(40):
        before = time.monotonic()
        now = page.evaluate("performance.now()") / 1000
        after = time.monotonic()
        if best is None or after - before < best["width"]:
            best = {"width": after - before, "low": before - now, "high": after - now}
    return {"said": metrics["NavigationStart"], "low": best["low"], "high": best["high"]}


def watch(browser, url, blank, seconds):
    page = browser.new_page()
    open_player(page, url, blank)
    page.evaluate("player.start('/whep')")
    wait_for(page, "player.frames.length > 0")
    page.wait_for_timeout(float(seconds) * 1000)
    frames = page.evaluate("player.frames")
    return {"frames": frames, "clock": clock(page)}


def joins(browser, url, blank, count, own=None):
    times = []
    for _ in range(int(count)):
        context = browser.new_context()
        page = context.new_page()
        if own:
            page.goto(url + "/")
            name = "globalThis.windshield?.stats().firstFrameMs ?? null"
        else:
            open_player(page, url, blank)
            page.evaluate("player.start('/whep')")
            name = "player.firstFrameMs"
        first = wait_for(page, name)
        times.append({"first": first, **({} if own else page.evaluate("player.stages"))})
        context.close()
    return times


def main():
    what, url, blank, *rest = sys.argv[1:]
    reach(url + blank)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", headless=True, args=FLAGS)
        print(json.dumps({"version": browser.version, "result": {"watch": watch, "joins": joins}[what](browser, url, blank, *rest)}))
        browser.close()


main()
