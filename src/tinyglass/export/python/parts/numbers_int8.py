from struct import pack

from model import _OUTPUTS, sums


def _whole_numbers(inputs):
    return pack(f"<{_OUTPUTS}i", *sums(inputs))
