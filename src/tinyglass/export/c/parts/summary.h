
/* A float's bits in an order that is that of the numbers. */
static inline uint32_t model_order(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits >> 31 ? ~bits : bits | 0x80000000;
}

/* The reading at a place of the sorted ones, by halving the range of bits: no copy of them is made. */
static inline float model_sorted(const float *x, $length n, $length place) {
    uint32_t low = 0, high = 0xffffffff;
    float value;
    while (low < high) {
        const uint32_t middle = low + ((high - low) >> 1);
        $length t, count = 0;
        for (t = 0; t < n; ++t) count = ($length)(count + (model_order(x[t * MODEL_N_CHANNELS]) <= middle));
        if (count > place) high = middle;
        else low = middle + 1;
    }
    low = low >> 31 ? low ^ 0x80000000 : ~low;
    memcpy(&value, &low, 4);
    return value;
}

/* Eight statistics of one channel: mean, root of the deviation, minimum, quartiles, maximum, root of the change. */
static inline void model_summarise(const float *x, $length n, float *inputs, uint16_t place) {
    const float mean = model_mean(x, n);
    float squares = 0.0f, change = 0.0f;
    uint8_t quarter;
    $length t;
    for (t = 0; t < n; ++t) {
        const float difference = x[t * MODEL_N_CHANNELS] - mean;
        squares += difference * difference;
        if (t) {
            const float step = x[t * MODEL_N_CHANNELS] - x[(t - 1) * MODEL_N_CHANNELS];
            change += step < 0.0f ? -step : step;
        }
    }
    if (n > 1) change /= (float)(n - 1);
    model_put(inputs, place, mean);
    model_put(inputs, (uint16_t)(place += MODEL_N_CHANNELS), model_sqrt(model_sqrt(squares / (float)n)));
    for (quarter = 0; quarter <= 4; ++quarter) {
        const $wide parts = ($wide)quarter * ($wide)(n - 1);
        const float share = (float)(parts & 3) / 4.0f;
        float value = model_sorted(x, n, ($length)(parts >> 2));
        if (quarter & 3) {
            const $length next = ($length)((parts >> 2) + 1);
            value = value * (1.0f - share) + model_sorted(x, n, next < n ? next : ($length)(n - 1)) * share;
        }
        model_put(inputs, (uint16_t)(place += MODEL_N_CHANNELS), value);
    }
    model_put(inputs, (uint16_t)(place + MODEL_N_CHANNELS), model_sqrt(change));
}
