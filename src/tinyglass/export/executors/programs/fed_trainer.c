/* Learns, one step a recording, what the readings are that it is fed with; shows all weights after each. */
#include "trainer.h"

struct fed {
    int32_t n; /* readings */
    float expected; /* the place of the class, or the quantity */
    float readings[MOST_READINGS * MODEL_N_CHANNELS];
};

struct fed fed;
struct model_trainer answered;
static uint8_t started;

#if defined(ANY_LENGTH)
#define N fed.n
#else
#define N MODEL_READINGS
#endif

__attribute__((noinline)) void measured(void) {
    if (!started) model_trainer_start(&answered);
    started = 1;
#if defined(QUANTITY)
    model_trainer_learn_readings(&answered, fed.readings, N, fed.expected, MODEL_TRAINER_RATE);
#else
    model_trainer_learn_readings(&answered, fed.readings, N, (int)fed.expected, MODEL_TRAINER_RATE);
#endif
}
__attribute__((noinline)) void afterwards(void) { __asm__ volatile(""); }

#include "feeding.h"
