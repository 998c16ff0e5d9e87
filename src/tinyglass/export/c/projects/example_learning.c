/* $about
 * What the network is, takes and answers stands at the top of $header.
 *
 * This program reads recordings from standard input, each in a line, numbers between spaces, and prints what they are. It
 * learns from lines between them. It is compiled by: cc example.c */
#include <stdio.h>
#include <stdlib.h>

$headers

static float readings[MODEL_READINGS * MODEL_N_CHANNELS];

${learning}static void say(int place, const float *outputs) {
$say
}

int main(void) {
    enum { SIZE = MODEL_READINGS * MODEL_N_CHANNELS };
    float outputs[MODEL_N_OUTPUTS];
    uint32_t hash;
    float error;
    int recorded = 0;
    const int passed = model_selftest(&hash, &error);
    printf("selftest " MODEL_ID " $precision %d/$n_vectors hash=%08lx error=%g\n", passed, (unsigned long)hash,
           (double)error);
    model_trainer_start(&trainer);
    tell();
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        if (*line == '=' || (SIZE > 1 && *line && !strpbrk(line, " \t"))) {
            teach(recorded);
        } else if (*line) {
            char *at = line, *end = line;
            int n;
            for (n = 0; n < SIZE; ++n, at = end) {
                readings[n] = (float)strtod(at, &end);
                if (end == at) break;
            }
            recorded = n == SIZE;
            if (recorded) say(model_trainer_predict_readings(&trainer, readings, MODEL_READINGS, outputs), outputs);
            else printf("A recording is a line of %d numbers\n", (int)SIZE);
        }
    }
    return 0;
}
