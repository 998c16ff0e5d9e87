/* e to the power of x, without a C library: x = n ln 2 + r, e^x = 2^n e^r, e^r by the beginning of its series. */
#if defined(MODEL_LIBM)
#define model_exp(x) expf(x) /* asked for: smaller where a program has it anyway, and not the same on every board */
#else
static inline float model_exp(float x) {
    MODEL_ROUNDED
    float whole, r, y;
    int32_t n;
    uint32_t bits;
    if (!(x >= $smallest)) return 0.0f;
    if (x > $largest) x = $largest;
    n = (int32_t)(x * $log2_e + (x < 0.0f ? -0.5f : 0.5f));
    whole = (float)n;
    r = x - whole * $ln2_high - whole * $ln2_low;
    y = $first_term;
$terms
    memcpy(&bits, &y, 4);
    bits += (uint32_t)n << 23;
    memcpy(&y, &bits, 4);
    return y;
}
#endif
