/* $about
 * What the network is, takes and answers stands at the top of $header. */
#include <fcntl.h>
#include <stdio.h>
$standard#include <unistd.h>

#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
$headers

/* Fill this in: one reading of every channel, in the order and the units that $header names at its top. */
static void read_sensor(float *values) {
    int channel;
    for (channel = 0; channel < MODEL_N_CHANNELS; ++channel) values[channel] = 0.0f;
}

static float readings[MODEL_READINGS * MODEL_N_CHANNELS];
static float outputs[MODEL_N_OUTPUTS];

/* Wait until the next reading is due; readings are counted from the first, so that no delay adds up. */
static void wait_for(int64_t began, long number) {
    const int64_t due = began + (int64_t)(1000 * (double)MODEL_PERIOD_MS * number);
    do vTaskDelay(1); /* others run meanwhile, even where the period is unknown */
    while (esp_timer_get_time() < due);
}

/* Run the test vectors, and say whether the answers are those of the PC. */
static void test(void) {
    uint32_t hash;
    float error;
    const int passed = model_selftest(&hash, &error);
    printf("selftest " MODEL_ID " $precision %d/$n_vectors hash=%08lx error=%g\n", passed, (unsigned long)hash,
           (double)error);
}

${learning}static void say(int place) {
$say
}

$typed

void app_main(void) {
    int64_t began = esp_timer_get_time();
    long number = 0;
    int held = 0, passed_over = 0;
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    test();
$begin    for (;;) {
        if (typed() == 't') test();
        wait_for(began, number++);
        read_sensor(readings + held * MODEL_N_CHANNELS);
        if (passed_over > 0) {
            --passed_over;
            continue;
        }
        if (++held < MODEL_READINGS) continue;
        say($predict);
$recorded        held = MODEL_HOP && MODEL_HOP < MODEL_READINGS ? MODEL_READINGS - MODEL_HOP : 0;
        passed_over = MODEL_HOP > MODEL_READINGS ? MODEL_HOP - MODEL_READINGS : 0;
        memmove(readings, readings + (MODEL_READINGS - held) * MODEL_N_CHANNELS,
                (size_t)(held * MODEL_N_CHANNELS) * sizeof(float));
    }
}
