
/* cos(2 pi k / 64) for k = 0 to 32. */
$cosines
/* The discrete Fourier transform of 64 numbers, in place; they come in the order of reversed bits (Cooley, Tukey, 1965). */
static inline void model_transform(float *real, float *imaginary) {
    MODEL_ROUNDED
    uint8_t half, offset, a;
    for (half = 1; half < 64; half = (uint8_t)(2 * half))
        for (offset = 0; offset < half; ++offset) {
            const uint8_t angle = (uint8_t)(offset * (32 / half));
            const float c = MODEL_FLOAT(model_cosines + angle);
            const float s = MODEL_FLOAT(model_cosines + (angle < 16 ? 16 - angle : angle - 16));
            for (a = offset; a < 64; a = (uint8_t)(a + 2 * half)) {
                const uint8_t b = (uint8_t)(a + half);
                const float turned = c * real[b] + s * imaginary[b];
                const float turned_imaginary = c * imaginary[b] - s * real[b];
                real[b] = real[a] - turned;
                imaginary[b] = imaginary[a] - turned_imaginary;
                real[a] += turned;
                imaginary[a] += turned_imaginary;
            }
        }
}

static inline uint8_t model_reversed(uint8_t t) {
    uint8_t reversed = 0, bit;
    for (bit = 0; bit < 6; ++bit) reversed = (uint8_t)(reversed | (((t >> bit) & 1) << (5 - bit)));
    return reversed;
}

/* How strong each of 16 bands of frequencies is in one channel (Welch, 1967): 640 bytes of stack. */
static inline void model_spectrum(const float *x, $length n, float *inputs, uint16_t place) {
    MODEL_ROUNDED
    const float mean = model_mean(x, n);
    const $length pieces = ($length)((n > 64 ? (n - 64) / 32 : 0) + 1);
    float real[64], imaginary[64], power[32];
    $length piece;
    uint8_t t;
    for (t = 0; t < 32; ++t) power[t] = 0.0f;
    for (piece = 0; piece < pieces; ++piece) {
        for (t = 0; t < 64; ++t) {
            const $length at = ($length)(piece * 32 + t);
            const float fade = (1.0f - MODEL_FLOAT(model_cosines + (t < 32 ? t : 64 - t))) * 0.5f;
            real[model_reversed(t)] = at < n ? (x[at * MODEL_N_CHANNELS] - mean) * fade : 0.0f;
            imaginary[t] = 0.0f;
        }
        model_transform(real, imaginary);
        for (t = 0; t < 32; ++t) power[t] += real[t] * real[t] + imaginary[t] * imaginary[t];
    }
    for (t = 0; t < 16; ++t) {
        const float band = (power[2 * t] + power[2 * t + 1]) / (float)((uint32_t)pieces * 48);
        model_put(inputs, (uint16_t)(place + t * MODEL_N_CHANNELS), model_sqrt(model_sqrt(band)));
    }
}
