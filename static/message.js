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
 * `{kind: "hello", build: BigInt}`, `{kind: "echo", sentUs, carUs}` (Numbers),
 * `{kind: "notice", topic, severity, text}`, or null for anything unknown, too short or too long.
 */
export function parse(buffer) {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < 2) return null;
  const view = new DataView(buffer);
  if (view.getUint8(1) !== VERSION) return null;
  switch (view.getUint8(0)) {
    case CAR_HELLO:
      return view.byteLength === 10 ? { kind: "hello", build: view.getBigUint64(2) } : null;
    case CAR_ECHO:
      return view.byteLength === 18
        ? { kind: "echo", sentUs: Number(view.getBigUint64(2)), carUs: Number(view.getBigUint64(10)) }
        : null;
    case CAR_NOTICE: {
      if (view.byteLength < 4 || view.getUint8(3) > Severity.FAULT) return null;
      const text = new TextDecoder().decode(new Uint8Array(buffer, 4));
      return { kind: "notice", topic: view.getUint8(2), severity: view.getUint8(3), text };
    }
    default:
      return null;
  }
}
