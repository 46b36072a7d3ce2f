// Runs in the page under test, before its own scripts: writes down every frame the decoder gave out and every frame
// that was shown, with what the strip of blocks in it says, and the descriptions that were exchanged. `decoded` has all
// frames of all tracks in order; `shown` is what reached the compositor, of which a busy machine may skip some.
// Needs window.windshieldStrip (tests/strip.js).
(() => {
  const recorder = { decoded: [], shown: [], offers: [], answers: [], errors: [], tracks: 0, pc: null };
  window.recorder = recorder;

  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  function read(image, width, height) {
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    context.drawImage(image, 0, 0, width, height);
    const strip = window.windshieldStrip.read(context, width, height);
    return { frame: strip?.frame ?? null, capturedMicros: strip ? Number(strip.capturedMicros) : null, width, height };
  }

  // Only where the page is trusted (loopback): elsewhere `decoded` stays empty.
  async function drain(track) {
    if (track.kind !== "video" || !window.MediaStreamTrackProcessor) return;
    const number = recorder.tracks++;
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 120 }).readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const seen = read(value, value.displayWidth, value.displayHeight);
      value.close();
      recorder.decoded.push({ ...seen, track: number, now: performance.now() });
    }
  }

  const { setRemoteDescription, setLocalDescription } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    recorder.answers.push(description.sdp);
    recorder.pc = this;
    // A track is there before its first packet: watched from here, no frame is missed.
    this.addEventListener("track", ({ track }) => drain(track).catch((error) => recorder.errors.push(String(error))));
    return setRemoteDescription.call(this, description);
  };
  RTCPeerConnection.prototype.setLocalDescription = async function (description) {
    await setLocalDescription.call(this, description);
    recorder.offers.push(this.localDescription.sdp);
  };

  function attach(video) {
    const step = (now, meta) => {
      if (video.videoWidth) {
        const { rtpTimestamp = null, presentedFrames } = meta;
        recorder.shown.push({ ...read(video, video.videoWidth, video.videoHeight), rtpTimestamp, presentedFrames, now });
      }
      video.requestVideoFrameCallback(step);
    };
    video.requestVideoFrameCallback(step);
  }
  const find = () => {
    const video = document.querySelector("video");
    if (video) attach(video);
    else requestAnimationFrame(find);
  };
  document.addEventListener("DOMContentLoaded", find);
})();
