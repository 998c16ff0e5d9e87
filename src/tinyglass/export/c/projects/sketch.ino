/* $about
 * What the network is, takes and answers stands at the top of model.h. */
$include
#include "model.h"

/* Fill this in: one reading of every channel, in the order and the units that model.h names at its top.
 * As it stands, it reads the analogue pins from A0 on. */
static void read_sensor(float *values) {
    for (int channel = 0; channel < MODEL_N_CHANNELS; ++channel) values[channel] = analogRead(A0 + channel);
}

static float readings[MODEL_READINGS * MODEL_N_CHANNELS];
static float outputs[MODEL_N_OUTPUTS];

/* Wait until the next reading is due; readings are counted from the first, so that no delay adds up. */
static void wait_for(unsigned long began, unsigned long number) {
    const unsigned long due = began + (unsigned long)(number * MODEL_PERIOD_MS);
    while ((long)(millis() - due) < 0) {
    }
}

static void print_hexadecimal(uint32_t number) {
    for (int8_t shift = 28; shift >= 0; shift -= 4) Serial.print((unsigned int)(number >> shift & 15), HEX);
}

/* "t" on the serial line: run the test vectors, and say whether the answers are those of the PC. */
static void test() {
    uint32_t hash;
    float error;
    const int passed = model_selftest(&hash, &error);
    Serial.print(F("selftest " MODEL_ID " $precision "));
    Serial.print(passed);
    Serial.print(F("/$n_vectors hash="));
    print_hexadecimal(hash);
    Serial.print(F(" error="));
    Serial.println(error, 9);
}

static void say(int place) {
$say
}

void setup() {
    Serial.begin(115200);
}

void loop() {
$loop
}
