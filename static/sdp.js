// The few things the page reads from and writes into SDP: the fragments that carry candidates and new ICE
// credentials (RFC 8840, RFC 9725 section 4.3), and the old answer with the car's new credentials in it. Pure text
// in, text out; used by link.js. Not a general SDP parser.

const lines = (sdp) => sdp.split(/\r?\n/).filter((line) => line !== "");
const join = (list) => list.map((line) => line + "\r\n").join("");

/** Whether a description names H.264 at all. */
export function hasH264(sdp) {
  return /^a=rtpmap:\d+ H264\/90000/im.test(sdp);
}

/** The UDP port of the first candidate of a description, or null: worth naming when no path is found. */
export function udpPort(sdp) {
  const found = /^a=candidate:\S+ \d+ udp \d+ \S+ (\d+) /im.exec(sdp);
  return found ? Number(found[1]) : null;
}

/** Whether the first media section was refused (port 0, RFC 3264 section 6). */
export function refused(sdp) {
  return /^m=\S+ 0 /m.test(sdp);
}

/**
 * A fragment for PATCH: credentials and the offerer-tagged m-line of our own offer, then the candidates
 * (`candidate:...` as the browser gives them) and, if `done`, the end mark.
 */
export function fragment(offer, candidates, done) {
  const own = lines(offer);
  const first = (prefix) => own.find((line) => line.startsWith(prefix));
  return join(
    [
      first("a=group:BUNDLE"),
      first("m="),
      first("a=mid:"),
      first("a=ice-ufrag:"),
      first("a=ice-pwd:"),
      ...candidates.map((candidate) => "a=" + candidate),
      done ? "a=end-of-candidates" : undefined,
    ].filter((line) => line !== undefined),
  );
}

/**
 * The car's earlier answer with the ICE credentials and candidates of its fragment in place of the old ones: what an
 * ICE restart is answered with. Null if the fragment brings no credentials.
 */
export function restarted(answer, frag) {
  const news = lines(frag);
  const ufrag = news.find((line) => line.startsWith("a=ice-ufrag:"));
  const pwd = news.find((line) => line.startsWith("a=ice-pwd:"));
  if (!ufrag || !pwd) return null;
  const candidates = news.filter((line) => /^a=(candidate:|end-of-candidates)/.test(line));
  const out = [];
  let media = 0;
  for (const line of lines(answer)) {
    if (line.startsWith("m=") && ++media === 2) out.push(...candidates);
    if (/^a=(candidate:|end-of-candidates)/.test(line)) continue;
    if (line.startsWith("a=ice-ufrag:")) out.push(ufrag);
    else if (line.startsWith("a=ice-pwd:")) out.push(pwd);
    else if (line.startsWith("o=")) out.push(nextVersion(line));
    else out.push(line);
  }
  if (media === 1) out.push(...candidates);
  return join(out);
}

/** A changed description has a higher version (RFC 3264 section 8). */
function nextVersion(origin) {
  const words = origin.split(" ");
  if (/^\d+$/.test(words[2] ?? "")) words[2] = (BigInt(words[2]) + 1n).toString();
  return words.join(" ");
}
