// The byte layouts of the data channels; `src/message.rs` is the other half and draws the bytes. Every message
// begins with a type and a version byte, integers are big-endian. What is not known parses to null: the caller
// counts and ignores it, so that either side may be newer. Pure; called by session.js.

export const FAST = "fast";
export const EVENTS = "events";

/** How bad a notice is. */
export const Severity = Object.freeze({ INFO: 0, WARNING: 1, FAULT: 2 });

const VERSION = 1;
const HELLO = 0x01;
const HEARTBEAT = 0x02;
const KEYFRAME = 0x03;
const CAR_HELLO = 0x81;
const CAR_ECHO = 0x82;
const CAR_NOTICE = 0x84;
const CAR_STAMPS = 0x85;
/** Messages that are not of the first version any more. */
const VERSIONS = new Map([[CAR_ECHO, 2]]);
const RECORD_BYTES = 32;
const RECORDS_MOST = 16;
const NEVER = 0xffffffff;

/** Which build of the page this is (BigInt, 64 bit). */
export function hello(build) {
  return withNumber(HELLO, build);
}

/** Sign of life; `clockUs` is the page's clock in whole microseconds (Number). */
export function heartbeat(clockUs) {
  return withNumber(HEARTBEAT, BigInt(clockUs));
}

/** No picture was shown for a while. */
export function keyframeWish() {
  return Uint8Array.of(KEYFRAME, VERSION);
}

function withNumber(type, number) {
  const bytes = new Uint8Array(10);
  bytes[0] = type;
  bytes[1] = VERSION;
  new DataView(bytes.buffer).setBigUint64(2, number);
  return bytes;
}

/**
 * Reads what the car says (ArrayBuffer):
 * `{kind: "hello", build: BigInt}`, `{kind: "echo", sentUs, receivedUs, answeredUs}` (Numbers),
 * `{kind: "notice", topic, severity, text}`, `{kind: "stamps", records: [{rtpTime, capturedUs, encodingUs, dequeuedUs,
 * packetizedUs, protectedUs, sentUs}]}` (car clock; null for what is not known or never was), or null for anything
 * unknown, too short or too long. Topics of notices: 1 source, 2 link to this viewer, 3 keyframe, 4 board (power, heat).
 */
export function parse(buffer) {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < 2) return null;
  const view = new DataView(buffer);
  const type = view.getUint8(0);
  if (view.getUint8(1) !== (VERSIONS.get(type) ?? VERSION)) return null;
  switch (type) {
    case CAR_HELLO:
      return view.byteLength === 10 ? { kind: "hello", build: view.getBigUint64(2) } : null;
    case CAR_ECHO:
      return view.byteLength === 26
        ? { kind: "echo", sentUs: micros(view, 2), receivedUs: micros(view, 10), answeredUs: micros(view, 18) }
        : null;
    case CAR_NOTICE: {
      if (view.byteLength < 4 || view.getUint8(3) > Severity.FAULT) return null;
      const text = new TextDecoder().decode(new Uint8Array(buffer, 4));
      return { kind: "notice", topic: view.getUint8(2), severity: view.getUint8(3), text };
    }
    case CAR_STAMPS: {
      const count = (view.byteLength - 2) / RECORD_BYTES;
      if (!Number.isInteger(count) || count < 1 || count > RECORDS_MOST) return null;
      return { kind: "stamps", records: Array.from({ length: count }, (_, n) => record(view, 2 + n * RECORD_BYTES)) };
    }
    default:
      return null;
  }
}

/** Times of a running car fit a Number (2^53 us are 285 years). */
function micros(view, at) {
  return Number(view.getBigUint64(at));
}

function record(view, at) {
  const capturedUs = micros(view, at + 4);
  const after = (n) => {
    const us = view.getUint32(at + 12 + 4 * n);
    return us === NEVER ? null : capturedUs + us;
  };
  return {
    rtpTime: view.getUint32(at),
    capturedUs,
    encodingUs: after(0),
    dequeuedUs: after(1),
    packetizedUs: after(2),
    protectedUs: after(3),
    sentUs: after(4),
  };
}
