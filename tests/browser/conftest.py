"""Fixtures: the program, Chromium, a page that writes down what it shows, and a log beside every failed test."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from car import DEADLINE, Car  # noqa: E402
from watch import Watch  # noqa: E402

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
DATA = REPOSITORY / "tests" / "data"

CHROMIUM_FLAGS = [
    "--no-sandbox",  # root, and containers without user namespaces; it sees no page but ours
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=user-gesture-required",  # the strictest: the page must get by
]


def target():
    """Cargo's target directory: for logs and screenshots."""
    if "CARGO_TARGET_DIR" in os.environ:
        return Path(os.environ["CARGO_TARGET_DIR"])
    return REPOSITORY / "target"


@pytest.fixture(scope="session")
def binary():
    path = Path(os.environ.get("WINDSHIELD_BIN") or target() / "release" / "windshield")
    assert path.exists(), f"{path} is not there; cargo build --release, or set WINDSHIELD_BIN"
    return path.resolve()


@pytest.fixture
def outputs(request):
    """A directory for what this test leaves to be looked at."""
    directory = target() / "browser" / re.sub(r"[^\w-]+", "-", request.node.name)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def car(request, binary, outputs):
    """`car("--source", "demo", ...)` starts the program. After the test each one must end cleanly on SIGTERM."""
    cars = []

    def start(*arguments, ready=True, **options):
        one = Car(binary, [str(a) for a in arguments], outputs / f"car{len(cars)}.log", **options)
        cars.append(one)
        return one.start(ready)

    yield start
    failures = []
    for one in cars:
        try:
            one.stop()
        except AssertionError as failure:
            failures.append(failure)
        finally:
            one.kill()
            print(f"--- log of {' '.join(one.command)}\n{one.log()[-6000:]}")
    for failure in failures:
        raise failure


@pytest.fixture(scope="session")
def playwright():
    with sync_playwright() as running:
        yield running


def launch(playwright, executable="/usr/bin/chromium", *flags):
    return playwright.chromium.launch(executable_path=str(executable), headless=True, args=[*CHROMIUM_FLAGS, *flags])


@pytest.fixture(scope="session")
def chromium(playwright):
    """One browser for most tests; each gets contexts of its own."""
    browser = launch(playwright)
    yield browser
    browser.close()


@pytest.fixture
def own_chromium(playwright):
    """`own_chromium(executable?, *flags)`: a browser for this test alone, that it may kill."""
    browsers = []

    def start(*arguments):
        browsers.append(launch(playwright, *arguments))
        return browsers[-1]

    yield start
    for browser in browsers:
        browser.close()


@pytest.fixture
def watch(chromium, outputs):
    """`watch(url)` opens a page and gives a Watch; `browser=`, and what Browser.new_context takes, as options."""
    opened = []

    def open_page(url, browser=None, goto=True, **options):
        context = (browser or chromium).new_context(**options)
        opened.append((context, browser))
        for script in (REPOSITORY / "tests" / "strip.js", HERE / "recorder.js"):
            context.add_init_script(path=script)
        context.set_default_timeout(DEADLINE * 1000)
        one = Watch(context.new_page(), url, outputs / f"page{len(opened) - 1}.log")
        if goto:
            one.goto()
        return one

    yield open_page
    for context, browser in opened:
        if browser is None or browser.is_connected():
            context.close()


@pytest.fixture(scope="session")
def clip():
    """`clip(name)`: the path of a test clip. They are made by the demo source, so they carry its strip."""

    def path(name):
        found = DATA / name
        assert found.exists(), f"{found} is not there"
        return found

    return path


@pytest.fixture(scope="session")
def screenshots():
    directory = target() / "screenshots"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture(scope="session", autouse=True)
def tidy():
    """No leftovers of an earlier run's namespaces."""
    if os.geteuid() == 0 and shutil.which("ip"):
        names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout.split()
        for name in names:
            stale = re.fullmatch(r"ws-(?:car|viewer|probe)-(\d+)", name)
            if stale and not Path(f"/proc/{stale[1]}").exists():
                subprocess.run(["ip", "netns", "del", name], capture_output=True)
