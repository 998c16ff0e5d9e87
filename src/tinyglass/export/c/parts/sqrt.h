/* The square root, bit by bit, rounded as IEEE 754 asks: the same on every board; 0 below the smallest normal number. */
#if defined(MODEL_LIBM)
#define model_sqrt(x) sqrtf(x)
#else
static inline float model_sqrt(float x) {
    uint32_t bits, rest, root = 0, twice = 0, bit;
    int16_t exponent;
    if (!(x >= 1.17549435e-38f)) return 0.0f;
    memcpy(&bits, &x, 4);
    exponent = (int16_t)((int16_t)(bits >> 23) - 127);
    rest = (bits & 0x7fffff) | 0x800000;
    if (exponent & 1) rest <<= 1;
    rest <<= 1;
    for (bit = 0x1000000; bit; bit >>= 1) {
        if (twice + bit <= rest) {
            rest -= twice + bit;
            twice += 2 * bit;
            root += bit;
        }
        rest <<= 1;
    }
    root += root & (rest ? 1 : 0);
    bits = (root >> 1) + (uint32_t)((exponent >> 1) + 126) * 0x800000;
    memcpy(&x, &bits, 4);
    return x;
}
#endif
