
/* A float's bits in an order that is that of the numbers. */
static inline uint32_t model_order(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits >> 31 ? ~bits : bits | 0x80000000;
}

static inline float model_of_order(uint32_t order) {
    const uint32_t bits = order >> 31 ? order ^ 0x80000000 : ~order;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

/* What stands a share of quarters after a place of the sorted readings. The reading there is found by halving the range
 * from the lowest to the highest; no sorted copy is made. */
static inline float model_quartile(const float *x, $length n, uint8_t quarter, uint32_t low, uint32_t high) {
    MODEL_ROUNDED
    const $wide parts = ($wide)quarter * ($wide)(n - 1);
    const $length place = ($length)(parts >> 2);
    const float share = (float)(parts & 3) / 4.0f;
    uint32_t next = high;
    $length t, count;
    while (low < high) {
        const uint32_t middle = low + ((high - low) >> 1);
        count = 0;
        for (t = 0; t < n; ++t) count = ($length)(count + (model_order(x[t * MODEL_N_CHANNELS]) <= middle));
        if (count > place) high = middle;
        else low = middle + 1;
    }
    for (count = 0, t = 0; t < n; ++t) {
        const uint32_t order = model_order(x[t * MODEL_N_CHANNELS]);
        if (order <= low) ++count;
        else if (order < next) next = order;
    }
    if (count > place + 1 || place + 1 >= n) next = low;
    return model_of_order(low) * (1.0f - share) + model_of_order(next) * share;
}

/* Eight statistics of one channel: mean, root of the deviation, minimum, quartiles, maximum, root of the change. */
static inline void model_summarise(const float *x, $length n, float *inputs, uint16_t place) {
    MODEL_ROUNDED
    const float mean = model_mean(x, n);
    float squares = 0.0f, change = 0.0f;
    uint32_t low = 0xffffffff, high = 0;
    uint8_t quarter;
    $length t;
    for (t = 0; t < n; ++t) {
        const float difference = x[t * MODEL_N_CHANNELS] - mean;
        const uint32_t order = model_order(x[t * MODEL_N_CHANNELS]);
        if (order < low) low = order;
        if (order > high) high = order;
        squares += difference * difference;
        if (t) {
            const float step = x[t * MODEL_N_CHANNELS] - x[(t - 1) * MODEL_N_CHANNELS];
            change += step < 0.0f ? -step : step;
        }
    }
    if (n > 1) change /= (float)(n - 1);
    model_put(inputs, place, mean);
    model_put(inputs, (uint16_t)(place += MODEL_N_CHANNELS), model_sqrt(model_sqrt(squares / (float)n)));
    model_put(inputs, (uint16_t)(place += MODEL_N_CHANNELS), model_of_order(low));
    for (quarter = 1; quarter < 4; ++quarter)
        model_put(inputs, (uint16_t)(place += MODEL_N_CHANNELS), model_quartile(x, n, quarter, low, high));
    model_put(inputs, (uint16_t)(place += MODEL_N_CHANNELS), model_of_order(high));
    model_put(inputs, (uint16_t)(place + MODEL_N_CHANNELS), model_sqrt(change));
}
