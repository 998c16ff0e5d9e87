"""The header with a program around it, in the folders that Arduino, PlatformIO and ESP-IDF expect."""

from __future__ import annotations

from typing import NamedTuple

from ..board_model import N_VECTORS, BoardModel
from .header import c_header
from .pieces import named, project
from .teaching import PRINT_LABEL, console_teaching, serial_teaching
from .trainer import c_trainer

SKETCH = "recognise"


class Options(NamedTuple):
    """What else a project is asked for.

    Attributes
    ----------
    name : str, with which the names in the headers begin
    trainer : {"last", "all"} or None, the layers that learn in the programs
    learning_rate : float, of the trainer
    """

    name: str = "model"
    trainer: str | None = None
    learning_rate: float = 0.01

    @property
    def header(self) -> str:
        return f"{self.name}.h"

    @property
    def trainer_header(self) -> str:
        return "trainer.h" if self.name == "model" else f"{self.name}_trainer.h"

    @property
    def headers(self) -> list[str]:
        return [self.header] if self.trainer is None else [self.header, self.trainer_header]

    @property
    def library(self) -> str:
        return "Tinyglass" + "".join(word.capitalize() for word in self.name.split("_"))


PLAIN = Options()


def c_files(model: BoardModel, cost: str = "", options: Options = PLAIN) -> dict[str, str]:
    """Return the headers, and a program for any PC that shows how they are called."""
    program = "example.c" if options.trainer is None else "example_learning.c"
    size = 32 * (model.n_readings * model.n_channels + 1)
    values = _c_values(model, options, "the last recording", size)
    return _headers(model, cost, options) | {"example.c": _filled(program, model, options, **values)}


def arduino_files(model: BoardModel, cost: str = "", options: Options = PLAIN) -> dict[str, str]:
    """Return a sketch in its folder, and a library with the same sketch as its example."""
    sketch = _sketch(model, options)
    library = options.library
    properties = (
        f"name={library}\nversion=1.0.0\nauthor=tinyglass\nmaintainer=tinyglass\n"
        f"sentence=A trained network, model {model.digest[:16]}.\n"
        f"paragraph={options.header} holds the network with its preparation; nothing else is needed.\n"
        f"category=Data Processing\nurl=\narchitectures=*\nincludes={','.join(options.headers)}\n"
    )
    of_library = sketch
    for header in options.headers:
        of_library = of_library.replace(f'"{header}"', f"<{header}>")
    return {
        f"{SKETCH}/{SKETCH}.ino": sketch,
        **_headers(model, cost, options, f"{SKETCH}/"),
        f"{library}/library.properties": properties,
        **_headers(model, cost, options, f"{library}/src/"),
        f"{library}/examples/{SKETCH}/{SKETCH}.ino": of_library,
    }


def platformio_files(model: BoardModel, cost: str = "", options: Options = PLAIN) -> dict[str, str]:
    """Return a PlatformIO project with the boards that most people have."""
    return {
        "platformio.ini": _INI,
        **_headers(model, cost, options, "include/"),
        "src/main.cpp": _sketch(model, options, "#include <Arduino.h>\n"),
    }


def esp_idf_files(model: BoardModel, cost: str = "", options: Options = PLAIN) -> dict[str, str]:
    """Return an ESP-IDF project."""
    which = "the next window" if model.preparation.window else "the next recording"
    values = _c_values(model, options, which, 24)
    learns = options.trainer is not None
    main = _filled(
        "main.c",
        model,
        options,
        **values,
        standard="#include <stdlib.h>\n" if learns else "",
        typed=project("typed_apart.c" if learns else "typed.c").rstrip("\n"),
        begin="    model_trainer_start(&trainer);\n    tell();\n" if learns else "",
        predict=_predict(options),
        recorded="        if (asked) teach(1);\n        asked = 0;\n" if learns else "",
    )
    return {
        "CMakeLists.txt": (
            "cmake_minimum_required(VERSION 3.16)\ninclude($ENV{IDF_PATH}/tools/cmake/project.cmake)\n"
            "project(recognise)\n"
        ),
        "main/CMakeLists.txt": 'idf_component_register(SRCS "main.c" INCLUDE_DIRS "." REQUIRES esp_timer)\n',
        "main/main.c": main,
        **_headers(model, cost, options, "main/"),
        "sdkconfig.defaults": f"CONFIG_ESP_MAIN_TASK_STACK_SIZE={_main_stack(model)}\n",
    }


def _headers(model: BoardModel, cost: str, options: Options, folder: str = "") -> dict[str, str]:
    name, trainer = options.name, options.trainer
    headers = {folder + options.header: c_header(model, name=name, cost=cost)}
    if trainer is not None:
        text = c_trainer(model, trainer, options.learning_rate, name)
        headers[folder + options.trainer_header] = text
    return headers


def _main_stack(model: BoardModel) -> int:
    """Return bytes of stack that are enough for the self-test, which holds a vector's readings, and a prediction or
    a step of a trainer."""
    held = 4 * (model.n_readings * model.n_channels + 3 * sum(model.network.sizes)) + 1024
    return -(-(3584 + held) // 512) * 512


def _filled(program: str, model: BoardModel, options: Options, **values: str) -> str:
    text = project(
        program,
        about=f"tinyglass, model {model.digest[:16]}, {model.precision}.",
        precision=model.precision,
        n_vectors=N_VECTORS,
        header=options.header,
        headers="\n".join(f'#include "{header}"' for header in options.headers),
        **values,
    )
    return named(text, options.name)


def _sketch(model: BoardModel, options: Options, include: str = "") -> str:
    windows, learns = bool(model.preparation.window), options.trainer is not None
    which = "the next window" if windows else "the last recording"
    recorded = ""
    if learns:
        recorded = (
            "\n    if (asked) {\n        teach(true);\n        due = micros();\n    }"
            if windows
            else "\n    recorded = true;"
        )
    loop = project(
        "sliding.ino" if windows else "gesture.ino",
        typed="typed_apart()" if learns else "Serial.read()",
        predict=_predict(options),
        recorded=recorded,
    )
    if learns and not windows:
        loop = "    static bool recorded = false;\n    if (asked) teach(recorded);\n" + loop
    return _filled(
        "sketch.ino",
        model,
        options,
        include=include,
        say=_say_on_arduino(model, learns),
        learning=serial_teaching(model, which) if learns else "",
        begin="\n    model_trainer_start(&trainer);\n    tell();" if learns else "",
        loop=loop.rstrip("\n"),
    )


def _predict(options: Options) -> str:
    if options.trainer is None:
        return "model_predict_raw(readings, outputs)"
    return "model_trainer_predict_readings(&trainer, readings, MODEL_READINGS, outputs)"


def _c_values(model: BoardModel, options: Options, which: str, n_line: int) -> dict[str, str]:
    """Return what a program in C says, and how it is taught."""
    learning = ""
    if options.trainer is not None:
        learning = console_teaching(model, which, n_line)
    return {"say": _say_on_pc(model), "learning": learning}


def _say_on_arduino(model: BoardModel, learns: bool) -> str:
    if model.network.classes is None:
        return '    (void)place;\n    Serial.print(F("Prediction: "));\n    Serial.println(outputs[0], 4);'
    return (
        "    float largest = outputs[0];\n"
        "    for (int j = 1; j < MODEL_N_OUTPUTS; ++j)\n        if (outputs[j] > largest) largest = outputs[j];\n"
        '    Serial.print(F("Prediction: "));\n'
        + ("    print_label(place);\n" if learns else PRINT_LABEL)
        + '    Serial.print(F(", p="));\n    Serial.println(largest, 2);'
    )


def _say_on_pc(model: BoardModel) -> str:
    if model.network.classes is None:
        return '    (void)place;\n    printf("Prediction: %g\\n", (double)outputs[0]);'
    return (
        "    float largest = outputs[0];\n    int j;\n"
        "    for (j = 1; j < MODEL_N_OUTPUTS; ++j)\n        if (outputs[j] > largest) largest = outputs[j];\n"
        '    printf("Prediction: %s, p=%.2f\\n", model_label(place), (double)largest);'
    )


_INI = """\
; The same program for every board; leave out those that you have not.
[env]
framework = arduino
monitor_speed = 115200

[env:uno]
platform = atmelavr
board = uno

[env:nano33ble]
platform = nordicnrf52
board = nano33ble

[env:esp32s3]
platform = espressif32
board = esp32-s3-devkitc-1

[env:pico]
platform = raspberrypi
board = pico
"""
