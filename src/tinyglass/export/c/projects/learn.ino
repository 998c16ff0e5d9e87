static struct model_trainer trainer;
static char line[24]; /* what was typed, when it begins with a digit or "=" */
static bool asked = false; /* whether the line has come to its end */

${labels}/* Say what can be taught. */
static void tell() {
    Serial.println(F("Type what $which is:"));
$tell
    Serial.println(F("0: forget what was learnt"));
}

/* What was typed and is no part of a line, or -1. */
static int typed_apart() {
    static uint8_t n = 0;
    const int typed = asked ? -1 : Serial.read();
    if (typed == '\n' || typed == '\r') {
        line[n] = 0;
        asked = n > 0;
        n = 0;
    } else if (n || typed == '=' || (typed >= '0' && typed <= '9')) {
        if (typed >= 0 && n < sizeof line - 1) line[n++] = (char)typed;
    } else {
        return typed;
    }
    return -1;
}

${lookup}/* $teaching */
static void teach(bool recorded) {
    char *end;
    const char *digits = line + (*line == '=');
    const $kind number = $converted;
    asked = false;
    if (end == digits || *end || $wrong) {
        tell();
    } else if ($forget) {
        model_trainer_start(&trainer);
        Serial.println(F("Forgotten"));
    } else if (!recorded) {
        Serial.println(F("There is no recording yet"));
    } else {
        const float loss = model_trainer_learn_readings(&trainer, readings, MODEL_READINGS, $expected,
                                                        MODEL_TRAINER_RATE);
        Serial.print(F("Learnt: "));
        $learnt;
        Serial.print(F(", loss="));
        Serial.println(loss, 4);
    }
}

