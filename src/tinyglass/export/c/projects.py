"""The header with a program around it, in the folders that Arduino, PlatformIO and ESP-IDF expect."""

from __future__ import annotations

from pathlib import Path
from string import Template

from ..board_model import N_VECTORS, BoardModel
from .header import c_header

PROJECTS = Path(__file__).parent / "projects"
LIBRARY = "TinyglassModel"
SKETCH = "recognise"


def c_files(model: BoardModel, cost: str = "") -> dict[str, str]:
    """Return the header, and a program for any PC that shows how it is called."""
    return {
        "model.h": c_header(model, cost=cost),
        "example.c": _filled("example.c", model, say=_say_on_pc(model)),
    }


def arduino_files(model: BoardModel, cost: str = "") -> dict[str, str]:
    """Return a sketch in its folder, and a library with the same sketch as its example."""
    header = c_header(model, cost=cost)
    sketch = _sketch(model)
    properties = (
        f"name={LIBRARY}\nversion=1.0.0\nauthor=tinyglass\nmaintainer=tinyglass\n"
        f"sentence=A trained network, model {model.digest[:16]}.\n"
        "paragraph=model.h holds the network with its preparation; nothing else is needed.\n"
        "category=Data Processing\nurl=\narchitectures=*\nincludes=model.h\n"
    )
    return {
        f"{SKETCH}/{SKETCH}.ino": sketch,
        f"{SKETCH}/model.h": header,
        f"{LIBRARY}/library.properties": properties,
        f"{LIBRARY}/src/model.h": header,
        f"{LIBRARY}/examples/{SKETCH}/{SKETCH}.ino": sketch.replace('"model.h"', "<model.h>"),
    }


def platformio_files(model: BoardModel, cost: str = "") -> dict[str, str]:
    """Return a PlatformIO project with the boards that most people have."""
    return {
        "platformio.ini": _INI,
        "include/model.h": c_header(model, cost=cost),
        "src/main.cpp": _sketch(model, "#include <Arduino.h>\n"),
    }


def esp_idf_files(model: BoardModel, cost: str = "") -> dict[str, str]:
    """Return an ESP-IDF project."""
    return {
        "CMakeLists.txt": (
            "cmake_minimum_required(VERSION 3.16)\ninclude($ENV{IDF_PATH}/tools/cmake/project.cmake)\n"
            "project(recognise)\n"
        ),
        "main/CMakeLists.txt": 'idf_component_register(SRCS "main.c" INCLUDE_DIRS "." REQUIRES esp_timer)\n',
        "main/main.c": _filled("main.c", model, say=_say_on_pc(model)),
        "main/model.h": c_header(model, cost=cost),
        "sdkconfig.defaults": f"CONFIG_ESP_MAIN_TASK_STACK_SIZE={_main_stack(model)}\n",
    }


def _main_stack(model: BoardModel) -> int:
    """Return bytes of stack that are enough for the self-test, which holds a vector's readings, and a prediction."""
    held = 4 * (model.n_readings * model.n_channels + 3 * sum(model.network.sizes)) + 1024
    return -(-(3584 + held) // 512) * 512


def _filled(name: str, model: BoardModel, **values: str) -> str:
    text = Template((PROJECTS / name).read_text(encoding="ascii"))
    about = f"tinyglass, model {model.digest[:16]}, {model.precision}."
    return text.substitute(about=about, precision=model.precision, n_vectors=N_VECTORS, **values)


def _sketch(model: BoardModel, include: str = "") -> str:
    loop = "sliding.ino" if model.preparation.window else "gesture.ino"
    body = (PROJECTS / loop).read_text(encoding="ascii").rstrip("\n")
    return _filled("sketch.ino", model, include=include, say=_say_on_arduino(model), loop=body)


def _say_on_arduino(model: BoardModel) -> str:
    if model.network.classes is None:
        return '    (void)place;\n    Serial.print(F("Prediction: "));\n    Serial.println(outputs[0], 4);'
    return (
        "    float largest = outputs[0];\n"
        "    for (int j = 1; j < MODEL_N_OUTPUTS; ++j)\n        if (outputs[j] > largest) largest = outputs[j];\n"
        '    Serial.print(F("Prediction: "));\n'
        "#if defined(__AVR__)\n"
        "    Serial.print((const __FlashStringHelper *)model_label(place));\n"
        "#else\n    Serial.print(model_label(place));\n#endif\n"
        '    Serial.print(F(", p="));\n    Serial.println(largest, 2);'
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
