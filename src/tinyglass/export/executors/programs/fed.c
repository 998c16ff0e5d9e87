/* Predicts what the readings are that it is fed with. */
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

__attribute__((noinline)) void measured(void) {
    answered.place = model_predict_readings(fed.readings, N, answered.outputs);
}
__attribute__((noinline)) void afterwards(void) { model_sums_of_readings(fed.readings, N, answered.sums); }

#if !defined(__AVR__) && !defined(BARE)
#include "checking.h"
#endif
#include "feeding.h"
