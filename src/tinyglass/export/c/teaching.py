"""How an exported program is taught by what is typed: the number of a class, or a quantity behind "="."""

from __future__ import annotations

from ..board_model import BoardModel
from .pieces import project

PRINT_LABEL = """\
#if defined(__AVR__)
    Serial.print((const __FlashStringHelper *)model_label(place));
#else
    Serial.print(model_label(place));
#endif
"""


CLASS_TYPED = """\
/* The number that was typed, or the number of the class whose label was typed behind "=". */
static long class_typed(const char *typed, char **end) {
    const char *text = typed;
    long number;
    int place;
    while (*text == ' ') ++text;
    for (place = 0; *line == '=' && place < MODEL_N_OUTPUTS; ++place)
        if (!SAME(text, model_label(place))) {
            *end = (char *)text + strlen(text);
            return place + 1;
        }
    number = strtol(text, end, 10);
    if (*end == text) *end = (char *)typed;
    return number;
}

"""
SAME_ON_ARDUINO = """\
#if defined(__AVR__)
#define SAME_TEXT strcmp_P
#else
#define SAME_TEXT strcmp
#endif

"""


def serial_teaching(model: BoardModel, which: str) -> str:
    """Return what a sketch needs to be taught on its serial line.

    Parameters
    ----------
    model : BoardModel
    which : str, what is learnt: "the last recording"
    """
    if model.network.classes is None:
        tell = '    Serial.println(F("= 12.5: one of 12.5, or of any other number"));'
        own = {"labels": "", "tell": tell, "learnt": "Serial.print(number, 4)", "lookup": ""}
    else:
        own = {
            "labels": f"static void print_label(int place) {{\n{PRINT_LABEL}}}\n\n",
            "tell": "    for (int place = 0; place < MODEL_N_OUTPUTS; ++place) {\n        Serial.print(place + 1);\n"
            '        Serial.print(F(": "));\n        print_label(place);\n        Serial.println();\n    }',
            "learnt": "print_label((int)number - 1)",
            "lookup": SAME_ON_ARDUINO + CLASS_TYPED.replace("SAME", "SAME_TEXT"),
        }
    return project("learn.ino", which=which, **_numbers(model, which), **own)


def console_teaching(model: BoardModel, which: str, n_line: int) -> str:
    """Return what a program needs to be taught on a console.

    Parameters
    ----------
    model : BoardModel
    which : str, what is learnt: "the last recording"
    n_line : int, the most characters of a line
    """
    if model.network.classes is None:
        tell = '    printf("= 12.5: one of 12.5, or of any other number\\n");'
        own = {"place": "", "tell": tell, "format": "%g", "learnt": "(double)number", "lookup": ""}
    else:
        own = {
            "place": "    int place;\n",
            "tell": "    for (place = 0; place < MODEL_N_OUTPUTS; ++place)\n"
            '        printf("%d: %s\\n", place + 1, model_label(place));',
            "format": "%s",
            "learnt": "model_label((int)number - 1)",
            "lookup": CLASS_TYPED.replace("SAME", "strcmp"),
        }
    return project("learn.c", which=which, n_line=n_line, **_numbers(model, which), **own)


def _numbers(model: BoardModel, which: str) -> dict[str, str]:
    """Return how a line is read: a class by its number, counted from 1, for which one key is enough."""
    forgotten = '"0": what was learnt is forgotten.'
    if model.network.classes is None:
        return {
            "teaching": f'A line "= 12.5": {which} is learnt as one of 12.5. {forgotten}',
            "kind": "float",
            "converted": "(float)strtod(digits, &end)",
            "wrong": "!(number > -1e30f && number < 1e30f) || (*line != '=' && number != 0.0f)",
            "forget": "*line != '='",
            "expected": "number",
        }
    return {
        "teaching": f'A line "2": {which} is learnt as one of class 2. {forgotten}',
        "kind": "long",
        "converted": "class_typed(digits, &end)",
        "wrong": "number < 0 || number > MODEL_N_OUTPUTS",
        "forget": "!number",
        "expected": "(int)number - 1",
    }
