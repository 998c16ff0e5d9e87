    /* Any character begins a recording, "t" the self-test. */
    const int typed = $typed;
    if (typed == 't') test();
    if (typed <= ' ' || typed == 't') return;
    due = micros();
    for (unsigned int number = 0; number < MODEL_READINGS; ++number) {
        wait_for_next();
        read_sensor(readings + number * MODEL_N_CHANNELS);
    }
    say($predict);$recorded
