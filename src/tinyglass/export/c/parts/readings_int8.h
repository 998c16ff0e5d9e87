
/* n readings become MODEL_N_INPUTS int8 inputs, in whole numbers alone: the same on every board. */
static inline void model_quantize_readings(const float *readings, $length n, int8_t *q) {
    $length i;
    $channel c;
    (void)n;
    for (i = 0; i < $n_steps; ++i)
        for (c = 0; c < MODEL_N_CHANNELS; ++c) {
$whole
            *q++ = model_held($input_zero + model_rescale(whole - MODEL_INT32(model_origin + c),
                                                          MODEL_INT16(model_reading_multiplier + c),
                                                          MODEL_UINT8(model_reading_shift + c)), -128);
        }
}
