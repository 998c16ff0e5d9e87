static struct model_trainer trainer;
static char line[$n_line]; /* what was typed */

/* Say what can be taught. */
static void tell(void) {
$place    printf("Type what $which is:\n");
$tell
    printf("0: forget what was learnt\n");
}

${lookup}/* $teaching */
static void teach(int recorded) {
    char *end;
    const char *digits = line + (*line == '=');
    const $kind number = $converted;
    if (end == digits || *end || $wrong) {
        tell();
    } else if ($forget) {
        model_trainer_start(&trainer);
        printf("Forgotten\n");
    } else if (!recorded) {
        printf("There is no recording yet\n");
    } else {
        const float loss = model_trainer_learn_readings(&trainer, readings, MODEL_READINGS, $expected,
                                                        MODEL_TRAINER_RATE);
        printf("Learnt: $format, loss=%.4f\n", $learnt, (double)loss);
    }
}

