"""Reads the demo's strip (frame number and capture time as blocks along the bottom edge) from a luma plane, and draws it
for streams that the tests make. The layout is written down in src/video/demo/strip.rs; this is written from that text,
not from the other readers."""

SYNC = 0b1010_0110
BYTES = 13


def read(luma):
    """(frame, captured in microseconds), or None if there is no strip or it is damaged. `luma`: a numpy array."""
    height, width = luma.shape
    block = 16 if width >= 1280 else 8
    columns = width // block
    if not columns:
        return None
    rows = -(-8 * BYTES // columns)
    top = (height - rows * block) // 8 * 8
    if top < 8:
        return None
    margin = block // 4
    value = 0
    for bit in range(8 * BYTES):
        y = top + bit // columns * block
        x = bit % columns * block
        middle = luma[y + margin : y + block - margin, x + margin : x + block - margin]
        value = value << 1 | int(middle.mean() > 128)
    data = value.to_bytes(BYTES, "big")
    if data[0] != SYNC or int.from_bytes(data[11:], "big") != crc16(data[1:11]):
        return None
    return int.from_bytes(data[1:5], "big"), int.from_bytes(data[5:11], "big")


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def draw(luma, frame, captured):
    """Writes the strip into a luma plane, for streams that the tests make themselves."""
    height, width = luma.shape
    block = 16 if width >= 1280 else 8
    columns = width // block
    top = (height - -(-8 * BYTES // columns) * block) // 8 * 8
    body = frame.to_bytes(4, "big") + captured.to_bytes(6, "big")
    value = int.from_bytes(bytes([SYNC]) + body + crc16(body).to_bytes(2, "big"), "big")
    luma[top:] = 32
    for bit in range(8 * BYTES):
        if value >> (8 * BYTES - 1 - bit) & 1:
            y, x = top + bit // columns * block, bit % columns * block
            luma[y : y + block, x : x + block] = 224
