"""Clients that send nothing, creep, or never read, by the thousand: nobody who watches or joins notices them."""

import random
import resource
import selectors
import socket
import threading

import pytest

CONNECTIONS = 2000
REQUESTS = {
    "sends nothing": b"",
    "never ends its head": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "sends its body a byte at a time": (
        b"POST /whep HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\nContent-Length: 60000\r\n\r\n"),
    "never reads": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


class Crowd:
    """`count` connections of all these kinds, each replaced when the program ends it, creeping until told to stop."""

    def __init__(self, port, count):
        self.address = ("127.0.0.1", port)
        self.open = set()
        self.ended = 0
        self.error = None
        self._count = count
        self._dice = random.Random(3)
        self._stop = threading.Event()
        self.full = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        selector = selectors.DefaultSelector()
        try:
            while not self._stop.is_set():
                # A hundred a turn, so that the listener's own queue is not what is tested.
                for _ in range(min(100, self._count - len(self.open))):
                    self._connect(selector)
                if len(self.open) + self.ended >= self._count:
                    self.full.set()
                for key, _ in selector.select(0.05):
                    self._notice(selector, key.fileobj)
                for one in self._dice.sample(sorted(self.open, key=id), min(50, len(self.open))):
                    self._creep(selector, one)
        except Exception as error:
            self.error = error
            self.full.set()
        finally:
            for one in self.open:
                one.close()

    def _connect(self, selector):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        try:
            one.connect(self.address)
            one.setblocking(False)
            one.send(self._dice.choice(list(REQUESTS.values())))
        except OSError:
            one.close()
            self.ended += 1
            return
        self.open.add(one)
        selector.register(one, selectors.EVENT_READ)

    def _notice(self, selector, one):
        try:
            if one.recv(1, socket.MSG_PEEK):
                selector.unregister(one)  # a reply that it will never read
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._end(selector, one)

    def _creep(self, selector, one):
        try:
            one.send(b"x")
        except BlockingIOError:
            pass
        except OSError:
            self._end(selector, one)

    def _end(self, selector, one):
        if one in self.open:
            self.open.discard(one)
            self.ended += 1
            if one in (key.fileobj for key in selector.get_map().values()):
                selector.unregister(one)
            one.close()

    def stop(self):
        self._stop.set()
        self._thread.join(30)
        assert self.error is None, self.error


@pytest.fixture
def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"only {hard} descriptors allowed here, {wanted} wanted (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_thousand_clients_that_block_hold_up_nobody(car, watch, descriptors):
    one = car("--source", "demo")
    first = watch(one.url)
    first.wait_decoded(10)
    crowd = Crowd(one.port, CONNECTIONS)
    try:
        assert crowd.full.wait(60)
        second = watch(one.url)
        second.wait_decoded(10)
        first.wait_decoded(30)
        assert one.get("/healthz").status_code == 200
    finally:
        crowd.stop()
    first.assert_nothing_missing()
    second.assert_nothing_missing()
    assert first.stats()["reconnects"] == second.stats()["reconnects"] == 0
    one.wait_viewers(2)
    assert one.get("/healthz").status_code == 200
