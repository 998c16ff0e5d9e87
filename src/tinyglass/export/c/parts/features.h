
static inline float model_mean(const float *x, $length n) {
    float sum = 0.0f;
    $length t;
    for (t = 0; t < n; ++t) sum += x[t * MODEL_N_CHANNELS];
    return sum / (float)n;
}

/* Put a value of a summary or a spectrum, brought to scale, where it belongs among the inputs. */
static inline void model_put(float *inputs, uint16_t place, float value) {
    inputs[place] = (value - MODEL_FLOAT(model_feature_offset + place)) / MODEL_FLOAT(model_feature_scale + place);
}
