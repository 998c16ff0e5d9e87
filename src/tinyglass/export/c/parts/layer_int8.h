/* The sum of one neuron. Two products fit into 16 bits; every sum is proved to stay below 2^23. */
static inline int32_t model_dot(const int8_t *w, const int8_t *x, $size n, int32_t sum) {
#if defined(__AVR_HAVE_LPMX__)
    int8_t weight;
#define MODEL_NEXT(w) (__extension__({ __asm__("lpm %0, Z+" : "=r"(weight), "+z"(w)); weight; }))
#else
#define MODEL_NEXT(w) (*(w)++)
#endif
    if (n & 1) {
        sum += (int16_t)(MODEL_NEXT(w) * *x);
        ++x;
    }
    for (n >>= 1; n; --n) {
        int16_t pair = (int16_t)(MODEL_NEXT(w) * x[0]);
        pair = (int16_t)(pair + MODEL_NEXT(w) * x[1]);
        sum += pair;
        x += 2;
    }
#undef MODEL_NEXT
    return sum;
}

/* value >> shift; bytes first where a board shifts bit by bit. */
static inline int32_t model_down(int32_t value, uint8_t shift) {
#if defined(__AVR__)
    for (; shift >= 8; shift = (uint8_t)(shift - 8)) value >>= 8;
#endif
    return value >> shift;
}

/* floor((sum * multiplier + 2^(shift - 1)) / 2^shift) in 32 bits; the shift is given less 9. */
static inline int32_t model_rescale(int32_t sum, int16_t multiplier, uint8_t shift) {
    const int32_t high = (int32_t)(int16_t)(sum >> 8) * multiplier;
    sum = high + (((int32_t)(uint8_t)sum * multiplier) >> 8);
    return (model_down(sum, shift) + 1) >> 1;
}

static inline int8_t model_held(int32_t value, int8_t lowest) {
    return (int8_t)(value < lowest ? lowest : value > 127 ? 127 : value);
}
