/* $about
 * What the network is, takes and answers stands at the top of $header.
 *
 * This program reads readings from standard input, numbers between spaces, and prints what they are. It is compiled by:
 * cc example.c */
#include <stdio.h>

#include "$header"

static void say(int place, const float *outputs) {
$say
}

int main(void) {
    static float readings[MODEL_READINGS * MODEL_N_CHANNELS];
    float outputs[MODEL_N_OUTPUTS];
    uint32_t hash;
    float error;
    int n = 0;
    const int passed = model_selftest(&hash, &error);
    printf("selftest " MODEL_ID " $precision %d/$n_vectors hash=%08lx error=%g\n", passed, (unsigned long)hash,
           (double)error);
    while (scanf("%f", readings + n) == 1)
        if (++n == MODEL_READINGS * MODEL_N_CHANNELS) {
            say(model_predict_raw(readings, outputs), outputs);
            n = 0;
        }
    return 0;
}
