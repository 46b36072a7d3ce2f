// Reads the strip of the demo scene (frame number and capture time as blocks along the bottom edge) from a picture in a
// browser. The layout is written down in src/video/demo/strip.rs; this is the same reader. A plain script without
// modules, so that a test can inject it into any page: it defines `windshieldStrip` and nothing else.
//
//   windshieldStrip.read(source, width, height) -> { frame, capturedMicros } | null
//
// source: a 2D context or an ImageData that holds the whole picture, unscaled; width and height: those of the video
// (videoWidth, videoHeight). capturedMicros: low 48 bits of the car's CLOCK_MONOTONIC, a number below 2^53.
// null: there is no strip, or it is damaged.
globalThis.windshieldStrip = (() => {
  'use strict';
  const SYNC = 0b10100110;
  const BYTES = 13;
  const BITS = BYTES * 8;

  function layout(width, height) {
    const block = width >= 1280 ? 16 : 8;
    const columns = Math.floor(width / block);
    if (columns === 0) return null;
    const rows = Math.ceil(BITS / columns);
    const top = Math.floor((height - rows * block) / 8) * 8;
    return top >= 8 ? { block, columns, rows, top } : null;
  }

  function crc16(bytes) {
    let crc = 0xffff;
    for (const byte of bytes) {
      crc ^= byte << 8;
      for (let i = 0; i < 8; i++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
    }
    return crc;
  }

  function read(source, width, height) {
    const at = layout(width, height);
    if (at === null) return null;
    const { block, columns, rows, top } = at;
    // From a context only the strip is fetched: reading back the whole picture costs milliseconds.
    const isContext = typeof source.getImageData === 'function';
    const { data } = isContext ? source.getImageData(0, top, width, rows * block) : source;
    const first = isContext ? 0 : top;
    if (data.length < (first + rows * block) * width * 4) return null;
    const bytes = new Uint8Array(BYTES);
    const from = block / 4;
    const count = block / 2;
    for (let bit = 0; bit < BITS; bit++) {
      const x = (bit % columns) * block + from;
      const y = first + Math.floor(bit / columns) * block + from;
      let sum = 0;
      for (let row = 0; row < count; row++) {
        for (let column = 0; column < count; column++) {
          const p = ((y + row) * width + x + column) * 4;
          sum += 0.2126 * data[p] + 0.7152 * data[p + 1] + 0.0722 * data[p + 2];
        }
      }
      if (sum > 128 * count * count) bytes[bit >> 3] |= 0x80 >> (bit & 7);
    }
    if (bytes[0] !== SYNC || ((bytes[11] << 8) | bytes[12]) !== crc16(bytes.subarray(1, 11))) return null;
    const number = (from, to) => bytes.subarray(from, to).reduce((value, byte) => value * 256 + byte, 0);
    return { frame: number(1, 5), capturedMicros: number(5, 11) };
  }

  return { layout, read };
})();
