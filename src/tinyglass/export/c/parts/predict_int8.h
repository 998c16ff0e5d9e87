
/* MODEL_N_INPUTS int8 inputs, which are left as they are. Returns the place of the largest output, never MODEL_UNKNOWN,
 * and writes MODEL_N_OUTPUTS sums, if these are not 0: the same whole numbers on every board. */
static inline int model_predict_quantized(const int8_t *inputs, int32_t *sums) {
    int8_t q[$work];
    memcpy(q, inputs, MODEL_N_INPUTS);
    return model_run(q, sums);
}

/* MODEL_N_INPUTS prepared inputs become as many int8 inputs. */
static inline void model_quantize(const float *inputs, int8_t *q) {
    $count i;
    for (i = 0; i < MODEL_N_INPUTS; ++i)
        q[i] = model_held($input_zero + model_rescale(model_whole(inputs[i], $input_exponent), $input_multiplier, $input_shift), -128);
}

/* MODEL_N_INPUTS prepared inputs. Returns the place of the largest output, never MODEL_UNKNOWN. */
static inline int model_predict(const float *inputs) {
    int8_t q[$work];
    model_quantize(inputs, q);
    return model_run(q, 0);
}
