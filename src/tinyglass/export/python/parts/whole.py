from model import _LARGEST, _MULTIPLIER, _ORIGIN, _POWER_OF_2, _SHIFT, _ZERO, _rescaled


def _whole(x, channel):
    x = x * _POWER_OF_2[channel]
    return _LARGEST if x > _LARGEST else -_LARGEST if x < -_LARGEST else int(x)


def _int8(whole, channel):
    q = _ZERO + _rescaled(whole - _ORIGIN[channel], _MULTIPLIER[channel], _SHIFT[channel])
    return -128 if q < -128 else 127 if q > 127 else q
