"""Viewers for perf/arm-count, WHEP, recvonly video: `arm-count-viewer.py aiortc|chromium URL COUNT cm|gcm`.

Prints a line when all have a picture (what was negotiated), and ends when stdin ends. aiortc offers one kind of SRTP alone, so that
either can be counted; Chromium takes what it likes best.
"""
import asyncio
import sys
import urllib.request


def post(url, sdp):
    request = urllib.request.Request(url + "/whep", sdp.encode(), {"Content-Type": "application/sdp"})
    return urllib.request.urlopen(request, timeout=60).read().decode()


async def stdin_ends():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def with_aiortc(url, count, profile):
    from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription, rtcdtlstransport

    wanted = [p for p in rtcdtlstransport.SRTP_PROFILES if (b"GCM" in p.openssl_profile) == (profile == "gcm")]
    rtcdtlstransport.SRTP_PROFILES[:] = wanted

    async def one():
        peer = RTCPeerConnection()
        picture = asyncio.get_running_loop().create_future()

        @peer.on("track")
        def on_track(track):
            async def watch():
                while True:
                    await track.recv()
                    if not picture.done():
                        picture.set_result(None)

            peer.watching = asyncio.ensure_future(watch())

        video = peer.addTransceiver("video", direction="recvonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        video.setCodecPreferences([c for c in codecs if "H264" in c.mimeType or "rtx" in c.mimeType])
        await peer.setLocalDescription(await peer.createOffer())
        answer = await asyncio.to_thread(post, url, peer.localDescription.sdp)
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.wait_for(picture, 60)
        return peer

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # tracks that end with the session
    peers = [await one() for _ in range(count)]
    print(f"{count} x aiortc see pictures by {wanted[0].openssl_profile.decode()}", flush=True)
    await stdin_ends()
    for peer in peers:
        await peer.close()


PAGE = """async ([url, count]) => {
  const seen = []
  for (let i = 0; i < count; i++) {
    const peer = new RTCPeerConnection()
    ;(window.peers ??= []).push(peer)
    peer.addTransceiver('video', { direction: 'recvonly' })
    await peer.setLocalDescription()
    const reply = await fetch(url + '/whep', { method: 'POST', body: peer.localDescription.sdp,
      headers: { 'Content-Type': 'application/sdp' } })
    await peer.setRemoteDescription({ type: 'answer', sdp: await reply.text() })
    for (;;) {
      const stats = [...(await peer.getStats()).values()]
      const video = stats.find(s => s.type === 'inbound-rtp' && s.framesDecoded > 0)
      const transport = stats.find(s => s.type === 'transport')
      if (video) { seen.push(`${transport.srtpCipher} by ${transport.tlsVersion}`); break }
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
  return seen.join(', ')
}"""


def with_chromium(url, count):
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", headless=True, args=flags)
        page = browser.new_page(bypass_csp=True)
        page.set_default_timeout(120_000)
        page.goto(url + "/stats")
        print(f"{count} x Chromium see pictures by", page.evaluate(PAGE, [url, count]), flush=True)
        sys.stdin.read()
        browser.close()


if __name__ == "__main__":
    kind, url, count, profile = sys.argv[1:5]
    if kind == "chromium":
        with_chromium(url, int(count))
    else:
        asyncio.run(with_aiortc(url, int(count), profile))
