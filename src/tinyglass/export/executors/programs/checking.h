/* On a PC: whether the functions that no answer comes from agree with the answers. */
#include <stdio.h>
#include "vectors.h" /* the test vectors as prepared inputs, and what is to become of them */

#define CHECKED
static const char *wrong = ""; /* what does not agree, first of all */

static void disagree(const char *what) {
    if (!*wrong) wrong = what;
}

/* The same readings, by the function that counts them itself. */
static void check_answer(void) {
    float outputs[MODEL_N_OUTPUTS];
    int j;
    if (N != MODEL_READINGS) return;
    if (model_predict_raw(fed.readings, outputs) != answered.place)
        disagree("model_predict_raw and model_predict_readings name different places");
    for (j = 0; j < MODEL_N_OUTPUTS; ++j)
        if (memcmp(outputs + j, answered.outputs + j, sizeof(float)))
            disagree("model_predict_raw and model_predict_readings write different outputs");
}

static void check_vectors(void) {
    int v, j;
    uint32_t hash;
    float error;
    for (v = 0; v < N_VECTORS; ++v) {
        const float *inputs = vector_inputs + v * MODEL_N_INPUTS;
        float outputs[MODEL_N_OUTPUTS];
#if defined(INTEGER_SUMS)
        int8_t q[MODEL_N_INPUTS];
        int32_t sums[MODEL_N_OUTPUTS];
        model_quantize(inputs, q);
        const int8_t *given = vector_quantized + v * MODEL_N_INPUTS;
        model_quantize(inputs, q);
        if (memcmp(q, given, sizeof q)) disagree("model_quantize writes other int8 inputs");
        if (model_predict_quantized(given, sums) != vector_places[v])
            disagree("model_predict_quantized names another place");
        if (model_predict_quantized(given, 0) != vector_places[v])
            disagree("model_predict_quantized names another place without sums");
        for (j = 0; j < MODEL_N_OUTPUTS; ++j)
            if (sums[j] != vector_sums[v * MODEL_N_OUTPUTS + j]) disagree("model_predict_quantized writes other sums");
#endif
        if (model_predict(inputs) != vector_places[v]) disagree("model_predict names another place");
        model_outputs(inputs, outputs);
        for (j = 0; j < MODEL_N_OUTPUTS; ++j)
            if (memcmp(outputs + j, vector_outputs + v * MODEL_N_OUTPUTS + j, sizeof(float)))
                disagree("model_outputs writes other outputs");
    }
    if (model_selftest(&hash, &error) != N_VECTORS) disagree("model_selftest finds wrong answers to its test vectors");
    if (hash != SELFTEST_HASH) disagree("model_selftest comes to another hash");
}
