from struct import unpack_from

from model import (
    _OUTPUTS,
    _RECORD,
    _TOLERANCE,
    CHANNELS,
    MODEL,
    PRECISION,
    READINGS,
    _place,
    _whole_numbers,
    predict,
    prepare,
)


def selftest():
    """Return what became of the test vectors, in a line that begins alike on every board."""
    high, low = 0x811C, 0x9DC5  # the halves of an FNV-1a hash
    passed = total = 0
    error = 0.0
    n = len(CHANNELS)
    begin = _RECORD - 4 * n * READINGS
    record = bytearray()
    # The test vectors stand at the end of this file, where they take no memory.
    with open(__file__) as lines:
        for line in lines:
            if line[:3] == "#: ":
                line = line.strip()
                for i in range(3, len(line), 2):
                    record.append(int(line[i : i + 2], 16))
            if len(record) < _RECORD:
                continue
            inputs = []
            for i in range(begin, _RECORD, 4 * n):
                inputs.append(unpack_from(f"<{n}f", record, i))
            inputs = prepare(inputs)
            outputs = predict(inputs)
            expected = unpack_from(f"<{_OUTPUTS}f", record, 1)
            found = bytes([_place(outputs) & 255]) + _whole_numbers(inputs)
            right = found == bytes(record[:1] + record[1 + 4 * _OUTPUTS : begin])
            largest = 1.0
            for x in expected:
                largest = max(largest, abs(x))
            for i in range(_OUTPUTS):
                x = abs(outputs[i] - expected[i])
                error = max(error, x)
                right = right and x <= _TOLERANCE * largest
            passed += right
            total += 1
            for i in found:
                low ^= i
                high = (high * 0x193 + (low * 0x193 >> 16) + ((low & 255) << 8)) & 0xFFFF
                low = low * 0x193 & 0xFFFF
            record = bytearray()
    return f"selftest {MODEL} {PRECISION} {passed}/{total} hash={high:04x}{low:04x} error={error}"
