
/* Eight test vectors: raw readings, and what was answered on the PC. */
$vectors
#define MODEL_HAS_SELFTEST
/* Run them. Returns how many are right; writes a hash of the answers, the same on every board, and the largest error of
 * an output. */
static inline int model_selftest(uint32_t *hash, float *error) {
    int passed = 0, v, j;
    uint32_t h = 0x811c9dc5;
    *error = 0.0f;
    for (v = 0; v < $n_vectors; ++v) {
        float readings[MODEL_READINGS * MODEL_N_CHANNELS], outputs[MODEL_N_OUTPUTS];
        float off = 0.0f, bound = 1.0f;
        int place, right;
        $wide i;
        for (i = 0; i < MODEL_READINGS * MODEL_N_CHANNELS; ++i)
            readings[i] = MODEL_FLOAT(model_test_readings + v * (MODEL_READINGS * MODEL_N_CHANNELS) + i);
$answer
        for (j = 0; j < MODEL_N_OUTPUTS; ++j) {
            const float wanted = MODEL_FLOAT(model_test_outputs + v * MODEL_N_OUTPUTS + j);
            const float difference = outputs[j] < wanted ? wanted - outputs[j] : outputs[j] - wanted;
            if (!(difference <= off)) off = difference == difference ? difference : 3.4e38f;
            if (wanted > bound) bound = wanted;
            if (-wanted > bound) bound = -wanted;
        }
        h = (h ^ (uint8_t)place) * 0x01000193;
        right = place == $read(model_test_places + v)$right;
$hash_sums
        passed += right;
        if (off > *error) *error = off;
    }
    *hash = h;
    return passed;
}
