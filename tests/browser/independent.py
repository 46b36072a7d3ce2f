"""An independent WHEP client: aiortc (Python, its own ICE, DTLS, SRTP and FFmpeg's decoder), in a thread of its own.

Nothing of ours is in it but the few lines of WHEP, written from the draft.
"""

import asyncio
import threading
from concurrent.futures import TimeoutError as TooLate
from urllib.parse import urljoin

import aioice.ice
import httpx
import numpy
from aiortc import RTCPeerConnection, RTCSessionDescription

import strip
from car import DEADLINE

# aioice leaves loopback out and would need another network; the tests need none.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


class Player:
    """`with Player(url) as player: player.play(); player.frames(30)`"""

    def __init__(self, url, token=None, channels=()):
        self.endpoint = url + "/whep"
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.channel_labels = channels
        self._channels = {}
        self.session = None
        self.answer = None
        self.track = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._do(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(DEADLINE)

    def _do(self, work, deadline=DEADLINE):
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(deadline)
        except TooLate:
            future.cancel()
            state = f"connection {self._pc.connectionState}, ICE {self._pc.iceConnectionState}" if self.session else "no answer"
            raise AssertionError(f"the independent client got nothing within {deadline:g} s ({state})") from None

    def play(self):
        """Offers by WHEP and takes the answer."""
        self._do(self._play())

    def frames(self, count, deadline=DEADLINE):
        """The next `count` decoded pictures, as what their strips say: (frame number, captured in microseconds)."""
        return self._do(self._frames(count), deadline)

    def send(self, label, message):
        """One binary message on one of the channels, as soon as that is open."""
        self._do(self._send(label, message))

    def leave(self):
        """DELETE of the session; gives the status."""
        return self._do(self._leave())

    def vanish(self):
        """Stops without a word to anybody: sockets closed, no DELETE, no DTLS close."""
        self._do(self._vanish())

    async def _play(self):
        self._pc = RTCPeerConnection()
        arrived = asyncio.Event()

        @self._pc.on("track")
        def on_track(track):
            self.track = track
            arrived.set()

        self._pc.addTransceiver("video", direction="recvonly")
        for label in self.channel_labels:
            fast = {"ordered": False, "maxRetransmits": 0} if label == "fast" else {}
            self._channels[label] = self._pc.createDataChannel(label, **fast)
        await self._pc.setLocalDescription(await self._pc.createOffer())
        async with httpx.AsyncClient(timeout=DEADLINE) as http:
            reply = await http.post(
                self.endpoint,
                content=self._pc.localDescription.sdp,
                headers={"Content-Type": "application/sdp", **self.headers},
            )
        assert reply.status_code == 201, f"{reply.status_code}: {reply.text}"
        self.session = urljoin(self.endpoint, reply.headers["location"])
        self.answer = reply.text
        await self._pc.setRemoteDescription(RTCSessionDescription(reply.text, "answer"))
        await arrived.wait()

    async def _frames(self, count):
        seen = []
        for _ in range(count):
            picture = await self.track.recv()
            luma = picture.planes[0]
            rows = numpy.frombuffer(luma, numpy.uint8).reshape(luma.height, luma.line_size)
            seen.append(strip.read(rows[:, : luma.width]))
        return seen

    async def _send(self, label, message):
        channel = self._channels[label]
        while channel.readyState == "connecting":
            await asyncio.sleep(0.01)
        channel.send(message)

    async def _leave(self):
        async with httpx.AsyncClient(timeout=DEADLINE) as http:
            return (await http.delete(self.session, headers=self.headers)).status_code

    async def _vanish(self):
        for transceiver in self._pc.getTransceivers():
            connection = transceiver.receiver.transport.transport._connection
            for protocol in connection._protocols:
                protocol.transport.abort()

    async def _close(self):
        if self.answer is not None:
            await asyncio.wait_for(self._pc.close(), DEADLINE / 2)
