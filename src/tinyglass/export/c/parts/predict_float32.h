
/* MODEL_N_INPUTS prepared inputs. Returns the place of the largest output, never MODEL_UNKNOWN; no exp is needed. */
static inline int model_predict(const float *inputs) {
    float sums[MODEL_N_OUTPUTS];
    int best = 0, j;
    model_sums(inputs, sums);
    for (j = 1; j < MODEL_N_OUTPUTS; ++j)
        if (sums[j] > sums[best]) best = j;
    return best;
}
