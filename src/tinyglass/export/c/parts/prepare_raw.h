    for (i = 0; i < $n_steps; ++i)
        for (c = 0; c < MODEL_N_CHANNELS; ++c) {
$value
            *inputs++ = $input;
        }
