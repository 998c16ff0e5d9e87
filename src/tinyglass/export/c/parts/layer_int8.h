/* The sum of one neuron; it stays below 2^23, as was proved when this was written. */
static MODEL_APART int32_t model_dot(const int8_t *w, const int8_t *x, $size n, int32_t sum) {
#if defined(__AVR_HAVE_LPMX__) && defined(__AVR_HAVE_MUL__)
    int8_t weight, in, sign;
    __asm__ volatile(
        "1: lpm %[weight], Z+\n\t"
        "ld %[in], X+\n\t"
        "muls %[weight], %[in]\n\t" /* into r1:r0; the carry is the sign */
        "sbc %[sign], %[sign]\n\t"
        "add %A[sum], r0\n\t"
        "adc %B[sum], r1\n\t"
        "adc %C[sum], %[sign]\n\t"
        "adc %D[sum], %[sign]\n\t"
        "$decrement\n\t"
        "brne 1b\n\t"
        "clr __zero_reg__"
        : [sum] "+r"(sum), "+z"(w), "+x"(x), [n] "+$register"(n), [weight] "=&d"(weight), [in] "=&d"(in),
          [sign] "=&r"(sign)
        :
        : "memory");
#else
    do sum += MODEL_INT8(w++) * *x++;
    while (--n);
#endif
    return sum;
}

/* value >> shift; whole bytes first where a board shifts bit by bit. */
static inline int32_t model_down(int32_t value, uint8_t shift) {
#if defined(__AVR__)
    __asm__("" : "+r"(shift)); /* known or not: the compiler would shift bit by bit */
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

/* From int8 inputs, which it works on in place, to the sums of the last layer, if these are wanted, and the largest's place. */
static inline int model_run(int8_t *inputs, int32_t *sums) {
    const int8_t *w = model_weights, *x = inputs;
    int32_t largest = -0x7fffffff;
    int best = 0, j;
$hidden
    for (j = 0; j < MODEL_N_OUTPUTS; ++j) {
        const int32_t sum = model_dot(w, x, $n_last, MODEL_INT32(model_bias + $n_hidden + j));
        w += $n_last;
        if (sums) sums[j] = sum;
        if (sum > largest) {
            largest = sum;
            best = j;
        }
    }
    return best;
}
