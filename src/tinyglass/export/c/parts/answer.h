
/* MODEL_N_OUTPUTS outputs, as model_outputs writes them. Returns the place of the class, or MODEL_UNKNOWN. */
static inline int model_answer(const float *outputs) {
    int best = 0, j, as_large = 0;
    for (j = 1; j < MODEL_N_OUTPUTS; ++j)
        if (outputs[j] > outputs[best]) best = j;
    for (j = 0; j < MODEL_N_OUTPUTS; ++j) as_large += outputs[j] >= outputs[best];
    return as_large > 1 || !(outputs[best] >= MODEL_THRESHOLD) ? MODEL_UNKNOWN : best;
}
