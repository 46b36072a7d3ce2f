"""A UDP relay between one browser and the car that delays both directions by a time that can be changed while it runs:
a network of known length on one machine. The page is made to use it by `script()`, which puts the relay's port into the
car's answers."""

import heapq
import itertools
import select
import socket
import threading
import time

SCRIPT = """(() => {
  const set = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    let first = true;
    const relayed = sdp.replace(/^a=candidate:.*\\r\\n/gm, (line) => {
      const kept = first ? line.replace(/ \\S+ \\d+ typ host/, " 127.0.0.1 PORT typ host") : "";
      first = false;
      return kept;
    });
    return set.call(this, { type, sdp: relayed });
  };
})();"""


class Relay:
    """Use it as a context manager."""

    def __init__(self, car_port):
        self.delay = 0.0  # seconds, in each direction
        self.took = []  # seconds that each delayed datagram really took here
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.back.connect(("127.0.0.1", car_port))
        self.browser = None
        self.running = True
        self.thread = threading.Thread(target=self._run)

    def script(self):
        return SCRIPT.replace("PORT", str(self.front.getsockname()[1]))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.running = False
        self.thread.join()
        self.front.close()
        self.back.close()

    def _run(self):
        waiting = []
        order = itertools.count()
        while self.running:
            pause = 0.1 if not waiting else max(0.0, waiting[0][0] - time.monotonic())
            ready, _, _ = select.select([self.front, self.back], [], [], min(pause, 0.1))
            now = time.monotonic()
            for one in ready:
                try:
                    data, sender = one.recvfrom(2048)
                except ConnectionError:  # the car has gone
                    continue
                if one is self.front:
                    self.browser = sender
                heapq.heappush(waiting, (now + self.delay, next(order), now, one, data))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, came, one, data = heapq.heappop(waiting)
                try:
                    if one is self.front:
                        self.back.send(data)
                    elif self.browser is not None:
                        self.front.sendto(data, self.browser)
                except OSError:
                    continue
                if one is self.back:
                    self.took.append(time.monotonic() - came)
