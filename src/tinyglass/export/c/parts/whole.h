
/* trunc(x * 2^exponent), cut off far beyond what 8 bits tell apart: from the bits of x, so that nothing is rounded. */
static inline int32_t model_whole(float x, int8_t exponent) {
    uint32_t bits;
    int32_t whole;
    int16_t down;
    memcpy(&bits, &x, 4);
    down = (int16_t)(150 - exponent - (int16_t)(((uint16_t)(bits >> 16) >> 7) & 255));
    if (down < $least_down) whole = $largest_whole;
    else if (down > 23) whole = 0;
    else whole = model_down((int32_t)((bits & 0x7fffff) | 0x800000), (uint8_t)down);
    return bits >> 31 ? -whole : whole;
}
