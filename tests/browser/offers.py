"""Offers written by hand, as Chromium writes them but without a browser behind: for WHEP by the letter and for bad input."""

import secrets


def offer(profiles=("42001f", "42e01f", "4d001f"), codec="H264", ice=True, dtls=True, channel=True, direction="recvonly"):
    """A whole offer. Each has its own ICE credentials and fingerprint; nobody will ever answer a check."""
    ufrag, password = secrets.token_hex(2), secrets.token_hex(12)
    fingerprint = ":".join(f"{byte:02X}" for byte in secrets.token_bytes(32))
    transport = []
    if ice:
        transport += [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{password}", "a=ice-options:trickle"]
    if dtls:
        transport += [f"a=fingerprint:sha-256 {fingerprint}", "a=setup:actpass"]
    payloads, attributes = [], []
    for index, profile in enumerate(profiles):
        media, resend = 102 + 2 * index, 103 + 2 * index
        payloads += [str(media), str(resend)]
        attributes += [f"a=rtpmap:{media} {codec}/90000"]
        attributes += [f"a=rtcp-fb:{media} {kind}" for kind in ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")]
        if codec == "H264":
            attributes += [f"a=fmtp:{media} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}"]
        attributes += [f"a=rtpmap:{resend} rtx/90000", f"a=fmtp:{resend} apt={media}"]
    lines = [
        "v=0", f"o=- {secrets.randbits(62)} 2 IN IP4 127.0.0.1", "s=-", "t=0 0",
        "a=group:BUNDLE 0 1" if channel else "a=group:BUNDLE 0",
        "a=extmap-allow-mixed", "a=msid-semantic: WMS",
        f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(payloads)}", "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0",
        *transport, "a=mid:0",
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        "a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid",
        f"a={direction}", "a=rtcp-mux", "a=rtcp-rsize", *attributes,
    ]
    if channel:
        lines += ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", *transport,
                  "a=mid:1", "a=sctp-port:5000", "a=max-message-size:262144"]
    return "".join(line + "\r\n" for line in lines)


def fragment(ufrag=None, password=None, candidate="candidate:1 1 udp 2113937151 127.0.0.1 9 typ host generation 0", mid="0"):
    """A trickle-ice-sdpfrag (RFC 8840), as WHEP's PATCH carries it."""
    lines = []
    if ufrag:
        lines += [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{password}"]
    lines += ["m=video 9 UDP/TLS/RTP/SAVPF 0", f"a=mid:{mid}"]
    if candidate:
        lines += [f"a={candidate}", "a=end-of-candidates"]
    return "".join(line + "\r\n" for line in lines)


def attribute(sdp, name):
    """The value of the first `a=name:` line."""
    for line in sdp.splitlines():
        if line.startswith(f"a={name}:"):
            return line[len(name) + 3:]
    return None
