
/* The place of the largest output, for prepared inputs; no exp is needed for that. */
static inline int model_predict(const float *inputs) {
    float sums[MODEL_N_OUTPUTS];
    int best = 0, j;
    model_sums(inputs, sums);
    for (j = 1; j < MODEL_N_OUTPUTS; ++j)
        if (sums[j] > sums[best]) best = j;
    return best;
}
