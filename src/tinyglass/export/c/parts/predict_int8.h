
/* The place of the largest output, for int8 inputs; the sums are the same whole numbers on every board. */
static inline int model_predict_quantized(const int8_t *inputs, int32_t *sums) {
    int8_t q[$work];
    memcpy(q, inputs, MODEL_N_INPUTS);
    return model_run(q, sums);
}

/* Prepared inputs become int8. */
static inline void model_quantize(const float *inputs, int8_t *q) {
    $count i;
    for (i = 0; i < MODEL_N_INPUTS; ++i)
        q[i] = model_held($input_zero + model_rescale(model_whole(inputs[i], $input_exponent), $input_multiplier, $input_shift), -128);
}

/* The place of the largest output, for prepared inputs. */
static inline int model_predict(const float *inputs) {
    int8_t q[$work];
    model_quantize(inputs, q);
    return model_run(q, 0);
}
