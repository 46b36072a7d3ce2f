"""Streams that the demo's encoder does not make, by another encoder (x264 in PyAV): High profile, several slices."""

from fractions import Fraction

import av
import numpy

import strip


def picture(number, width=320, height=240):
    """A grey picture with the strip of frame `number` in it."""
    luma = numpy.full((height, width), 110, numpy.uint8)
    luma[: height // 2, (number * 4) % width :][:, :16] = 200
    strip.draw(luma, number, number * 33_333)
    chroma = numpy.full((height // 2, width), 128, numpy.uint8)
    return av.VideoFrame.from_ndarray(numpy.concatenate([luma, chroma]), format="yuv420p")


def stream(frames, profile="baseline", slices=1, keyframe_every=30, width=320, height=240):
    """One access unit of Annex B for each of `frames` pictures."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 30)
    encoder.profile = {"baseline": "Baseline", "high": "High"}[profile]
    encoder.options = {
        "preset": "ultrafast" if profile == "baseline" else "medium", "tune": "zerolatency", "crf": "23", "aud": "0",
        "x264-params": f"keyint={keyframe_every}:min-keyint={keyframe_every}:scenecut=0:bframes=0:slices={slices}"
                       ":sliced-threads=0:repeat-headers=1:annexb=1",
    }
    units = []
    for number in range(frames):
        one = picture(number, width, height)
        one.pts = number
        units += [bytes(packet) for packet in encoder.encode(one)]
    units += [bytes(packet) for packet in encoder.encode(None)]
    assert len(units) == frames
    return units
