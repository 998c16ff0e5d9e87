    /* Any character begins a recording, "t" the self-test. */
    const int typed = Serial.read();
    if (typed == 't') test();
    if (typed <= ' ' || typed == 't') return;
    const unsigned long began = millis();
    for (unsigned int number = 0; number < MODEL_READINGS; ++number) {
        wait_for(began, number);
        read_sensor(readings + number * MODEL_N_CHANNELS);
    }
    say(model_predict_raw(readings, outputs));
