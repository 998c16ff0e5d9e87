    /* Windows follow one another, MODEL_HOP readings apart. */
    static unsigned int held = 0, passed_over = 0;
    float values[MODEL_N_CHANNELS];
    if ($typed == 't') test();
    wait_for_next();
    read_sensor(values);
    if (passed_over > 0) {
        --passed_over;
        return;
    }
    memcpy(readings + held * MODEL_N_CHANNELS, values, sizeof values);
    if (++held < MODEL_READINGS) return;
    say($predict);$recorded
    held = MODEL_HOP < MODEL_READINGS ? MODEL_READINGS - MODEL_HOP : 0;
    passed_over = MODEL_HOP > MODEL_READINGS ? MODEL_HOP - MODEL_READINGS : 0;
    memmove(readings, readings + (MODEL_READINGS - held) * MODEL_N_CHANNELS, held * MODEL_N_CHANNELS * sizeof(float));
