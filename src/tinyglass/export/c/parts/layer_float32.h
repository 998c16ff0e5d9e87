/* One layer: bias + sum of weight * input, input by input, for each neuron; returns where the next weights begin. */
static inline const float *model_layer(const float *w, const float *x, float *y, $size n_in, $size n_out$activation_parameter) {
    MODEL_ROUNDED
    do {
        const float *in = x;
        $size n = n_in;
        float sum = MODEL_FLOAT(w);
        ++w;
$loop
$activation
        *y++ = sum;
    } while (--n_out);
    return w;
}

static inline void model_sums(const float *inputs, float *sums) {
$buffers
    const float *w = model_weights;
$calls
}
