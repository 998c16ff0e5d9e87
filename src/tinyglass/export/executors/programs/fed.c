/* Fed with readings from outside: on a simulated chip through its memory, on a PC through standard input. */
#include "model.h"

#if defined(INTEGER_SUMS)
typedef int32_t sum_t;
#else
typedef float sum_t;
#endif

struct fed {
    int32_t n; /* readings */
    float readings[MOST_READINGS * MODEL_N_CHANNELS];
};
struct answered {
    float outputs[MODEL_N_OUTPUTS];
    sum_t sums[MODEL_N_OUTPUTS];
    int32_t place;
};

struct fed fed;
struct answered answered;

#if defined(ANY_LENGTH)
#define N fed.n
#else
#define N MODEL_READINGS
#endif

__attribute__((noinline)) void predict(void) {
    answered.place = model_predict_readings(fed.readings, N, answered.outputs);
}
__attribute__((noinline)) void show_sums(void) { model_sums_of_readings(fed.readings, N, answered.sums); }

#if defined(__AVR__)
#include <avr/io.h>
/* The simulator feeds at 1, counts from there to 2, and takes the answers at 3. */
int main(void) {
    for (;;) {
        GPIOR0 = 1;
        predict();
        GPIOR0 = 2;
        show_sums();
        GPIOR0 = 3;
    }
}
#elif defined(BARE)
void start(void);
void start(void) {
    predict();
    show_sums();
}
#else
#include <stdio.h>
int main(void) {
    while (fread(&fed, sizeof fed, 1, stdin) == 1) {
        predict();
        show_sums();
        fwrite(&answered, sizeof answered, 1, stdout);
    }
    return 0;
}
#endif
