// The smallest WHEP player, injected into an empty page of the sender's origin, the same for every sender: `player.start(path)`
// joins, `player.frames` has a line for each picture that was handed to the compositor. The picture is read back only
// every 30th time, because that costs the page milliseconds; the frames between are known by their RTP time.
globalThis.player = (() => {
  const READ_EVERY = 30;
  const frames = [];
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true, autoplay: true });
  document.body.replaceChildren(video);
  const player = { frames, stages: {}, firstFrameMs: null, pc: null, start };

  function shown(posted) {
    const step = (now, { rtpTimestamp, presentationTime, presentedFrames, receiveTime = null }) => {
      player.firstFrameMs ??= now - posted;
      let strip = null;
      if (frames.length % READ_EVERY === 0 && video.videoWidth > 0) {
        Object.assign(canvas, { width: video.videoWidth, height: video.videoHeight });
        context.drawImage(video, 0, 0);
        strip = windshieldStrip.read(context, canvas.width, canvas.height)?.frame ?? null;
      }
      frames.push({ rtpTimestamp, presentationTime, presentedFrames, receiveTime, strip });
      video.requestVideoFrameCallback(step);
    };
    video.requestVideoFrameCallback(step);
  }

  async function start(path) {
    const pc = (player.pc = new RTCPeerConnection());
    pc.addTransceiver("video", { direction: "recvonly" });
    pc.ontrack = ({ track }) => {
      video.srcObject = new MediaStream([track]);
      video.play();
    };
    await pc.setLocalDescription(await pc.createOffer());
    const posted = performance.now();
    const reached = (stage) => (player.stages[stage] ??= performance.now() - posted);
    pc.oniceconnectionstatechange = () => pc.iceConnectionState === "connected" && reached("ice");
    pc.onconnectionstatechange = () => pc.connectionState === "connected" && reached("dtls");
    shown(posted);
    const headers = { "Content-Type": "application/sdp" };
    const reply = await fetch(path, { method: "POST", headers, body: pc.localDescription.sdp });
    if (reply.status !== 201) throw new Error(`${reply.status}: ${await reply.text()}`);
    await pc.setRemoteDescription({ type: "answer", sdp: await reply.text() });
    reached("answer");
  }

  return player;
})();
