
/* From int8 inputs, which it works on in place, to the sums of the last layer. */
static inline void model_run(int8_t *inputs, int32_t *sums) {
$buffers    const int8_t *w = model_weights;
    $count j;
$calls
    for (j = 0; j < MODEL_N_OUTPUTS; ++j) {
        sums[j] = model_dot(w, $last_input, $n_last, MODEL_INT32(model_bias + $n_hidden + j));
        w += $n_last;
    }
}

static inline int model_largest(const int32_t *sums) {
    int best = 0, j;
    for (j = 1; j < MODEL_N_OUTPUTS; ++j)
        if (sums[j] > sums[best]) best = j;
    return best;
}

/* The place of the largest output, for int8 inputs; the sums are the same whole numbers on every board. */
static inline int model_predict_quantized(const int8_t *inputs, int32_t *sums) {
    int8_t q[$work];
    memcpy(q, inputs, MODEL_N_INPUTS);
    model_run(q, sums);
    return model_largest(sums);
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
    int32_t sums[MODEL_N_OUTPUTS];
    model_quantize(inputs, q);
    model_run(q, sums);
    return model_largest(sums);
}
