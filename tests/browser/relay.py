"""A UDP relay between one browser and the car that delays both directions by a time that can be changed while it runs:
a network of known length on one machine. The page is made to use it by `script()`, which puts the relay's port into the
car's answers."""

import heapq
import itertools
import select
import socket
import statistics
import subprocess
import sys
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
    """The relay as a process of its own (so that nothing here holds it up). Use it as a context manager."""

    def __init__(self, car_port, log):
        self.command = [sys.executable, __file__, str(car_port)]
        self.log = log

    def __enter__(self):
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def script(self):
        """To be run in the page before its own."""
        return SCRIPT.replace("PORT", str(self.port))

    def delay(self, ms):
        """Every datagram waits so long from now on, in each direction."""
        self._say(f"delay {ms}")

    def took(self):
        """The median of what the car's datagrams really took here since the last question, in ms."""
        self._say("took")
        return float(self.process.stdout.readline())

    def _say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


def main(car_port):
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind(("127.0.0.1", 0))
    back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    back.connect(("127.0.0.1", car_port))
    print(front.getsockname()[1], flush=True)
    browser, delay, took, waiting = None, 0.0, [], []
    order = itertools.count()
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select([sys.stdin, front, back], [], [], pause)
        came = time.monotonic()
        for one in ready:
            if one is sys.stdin:
                words = sys.stdin.readline().split()
                if not words:
                    return
                if words[0] == "delay":
                    delay = float(words[1]) / 1000
                else:
                    print(1000 * statistics.median(took) if took else 0.0, flush=True)
                    took.clear()
                continue
            try:
                data, sender = one.recvfrom(2048)
            except ConnectionError:  # the car has gone
                continue
            if one is front:
                browser = sender
            heapq.heappush(waiting, (came + delay, next(order), came, one, data))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, came, one, data = heapq.heappop(waiting)
            try:
                if one is front:
                    back.send(data)
                elif browser is not None:
                    front.sendto(data, browser)
                    took.append(time.monotonic() - came)
            except OSError:
                pass


if __name__ == "__main__":
    main(int(sys.argv[1]))
