    int8_t between[$between], *to = between;
    $count neuron = 0;
    uint8_t layer;
    for (layer = 0; layer < $n_layers; ++layer) {
        const $size n_in = $unsigned(model_sizes + layer);
        $size n_out = $unsigned(model_sizes + layer + 1);
        for (; n_out; --n_out, ++neuron) {
            const int32_t sum = model_dot(w, x, n_in, MODEL_INT32(model_bias + neuron));
            const int32_t step = model_rescale(sum, MODEL_INT16(model_multiplier + neuron), MODEL_UINT8(model_shift + neuron));
            int8_t value = model_held(MODEL_INT8(model_zero + layer) + step, MODEL_INT8(model_lowest + layer));
$look_up
            w += n_in;
            *to++ = value;
        }
        x = layer & 1 ? inputs : between;
        to = layer & 1 ? between : inputs;
    }
