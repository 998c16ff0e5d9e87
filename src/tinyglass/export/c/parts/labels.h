
/* Any place. Returns its label in UTF-8, "unknown" for MODEL_UNKNOWN and all else; on AVR it lies in flash: print it as
 * (const __FlashStringHelper *). */
static inline const char *model_label(int place) {
    static const char labels[] MODEL_ROM =
$labels;
    const char *label = labels;
    if (place < 0 || place >= MODEL_N_OUTPUTS) place = MODEL_N_OUTPUTS;
    for (; place; --place) {
        while (MODEL_UINT8((const uint8_t *)label)) ++label;
        ++label;
    }
    return label;
}
