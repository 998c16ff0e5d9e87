    /* Windows follow one another, MODEL_HOP readings apart. */
    static const unsigned long began = millis();
    static unsigned long number = 0;
    static unsigned int held = 0;
    if (Serial.read() == 't') test();
    wait_for(began, number++);
    read_sensor(readings + held * MODEL_N_CHANNELS);
    if (++held < MODEL_READINGS) return;
    say(model_predict_raw(readings, outputs));
    held = MODEL_HOP && MODEL_HOP < MODEL_READINGS ? MODEL_READINGS - MODEL_HOP : 0;
    memmove(readings, readings + (MODEL_READINGS - held) * MODEL_N_CHANNELS, held * MODEL_N_CHANNELS * sizeof(float));
