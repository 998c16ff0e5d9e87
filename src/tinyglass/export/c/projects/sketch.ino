/* $about
 * What the network is, takes and answers stands at the top of $header. */
$include
$headers

/* Fill this in: one reading of every channel, in the order and the units that $header names at its top.
 * As it stands, it reads the analogue pins from A0 on. */
static void read_sensor(float *values) {
    for (int channel = 0; channel < MODEL_N_CHANNELS; ++channel) values[channel] = analogRead(A0 + channel);
}

static float readings[MODEL_READINGS * MODEL_N_CHANNELS];
static float outputs[MODEL_N_OUTPUTS];

/* Wait until the next reading is due. What is due is counted in whole microseconds, so that no delay adds up. */
static unsigned long due;
static void wait_for_next() {
    while ((long)(micros() - due) < 0) {
    }
    due += (unsigned long)(1000.0f * MODEL_PERIOD_MS + 0.5f);
}

static void print_hexadecimal(uint32_t number) {
    for (int8_t shift = 28; shift >= 0; shift -= 4) Serial.print((unsigned int)(number >> shift & 15), HEX);
}

/* "t" on the serial line: run the test vectors, and say whether the answers are those of the PC. */
static void test() {
#if defined(MODEL_HAS_SELFTEST)
    uint32_t hash;
    float error;
    const int passed = model_selftest(&hash, &error);
    Serial.print(F("selftest " MODEL_ID " $precision "));
    Serial.print(passed);
    Serial.print(F("/$n_vectors hash="));
    print_hexadecimal(hash);
    Serial.print(F(" error="));
    Serial.println(error, 9);
#else
    Serial.println(F("The test vectors are too large for this board."));
#endif
}

${learning}static void say(int place) {
$say
}

void setup() {
    Serial.begin(115200);$begin
    due = micros();
}

void loop() {
$loop
}
