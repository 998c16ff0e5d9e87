
/* One hidden layer: the neurons from `first` on. Returns where the next weights begin. */
static inline const int8_t *model_layer($count first, const int8_t *w, const int8_t *x, int8_t *y, $size n_in, $size n_out,
                                        int8_t zero, int8_t lowest$table_parameter) {
    const $count end = ($count)(first + n_out);
    for (; first < end; ++first) {
        const int32_t sum = model_dot(w, x, n_in, MODEL_INT32(model_bias + first));
        int8_t q = model_held(zero + model_rescale(sum, MODEL_INT16(model_multiplier + first),
                                                   MODEL_UINT8(model_shift + first)), lowest);
        w += n_in;
$look_up
        *y++ = q;
    }
    return w;
}
