from math import sqrt

from model import _COSINES, _ORDER, _SPECTRUM_OFFSET, _SPECTRUM_SCALE, CHANNELS

_real = [0.0] * 64
_imaginary = [0.0] * 64
_power = [0.0] * 32


def _spectrum(readings, inputs):
    # Of each channel, how strong each of 16 bands of frequencies is: in pieces of 64 readings,
    # faded in and out, each beginning in the middle of the one before.
    n = len(readings)
    n_channels = len(CHANNELS)
    n_pieces = max(0, n - 64) // 32 + 1
    begin = len(inputs)
    inputs.extend([0.0] * (16 * n_channels))
    for channel in range(n_channels):
        mean = readings[0][channel]
        for t in range(1, n):
            mean = mean + readings[t][channel]
        mean = mean / n
        for f in range(32):
            _power[f] = 0.0
        for start in range(0, 32 * n_pieces, 32):
            for t in range(64):
                _imaginary[t] = _real[t] = 0.0
            for t in range(min(64, n - start)):
                fade = (1 - _COSINES[min(t, 64 - t)]) / 2
                _real[_ORDER[t]] = (readings[start + t][channel] - mean) * fade
            _transform(_real, _imaginary)
            for f in range(32):
                _power[f] = _power[f] + (_real[f] * _real[f] + _imaginary[f] * _imaginary[f])
        at = channel
        for f in range(0, 32, 2):
            value = sqrt(sqrt((_power[f] + _power[f + 1]) / (n_pieces * 48)))
            inputs[begin + at] = (value - _SPECTRUM_OFFSET[at]) / _SPECTRUM_SCALE[at]
            at += n_channels


def _transform(real, imaginary):
    # The discrete Fourier transform of 64 numbers in place (J. W. Cooley, J. W. Tukey, 1965).
    half = 1
    while half < 64:
        for offset in range(half):
            angle = offset * (32 // half)
            c = _COSINES[angle]
            s = _COSINES[abs(angle - 16)]
            for a in range(offset, 64, 2 * half):
                b = a + half
                x = c * real[b] + s * imaginary[b]
                y = c * imaginary[b] - s * real[b]
                real[b] = real[a] - x
                imaginary[b] = imaginary[a] - y
                real[a] = real[a] + x
                imaginary[a] = imaginary[a] + y
        half *= 2
