"""tinyglass: a glass box for tiny neural networks.

Names are imported when they are first used, so ``import tinyglass`` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "TinyglassError": "errors",
    "ArgumentError": "errors",
    "RecordingError": "errors",
    "ModelError": "errors",
    "StorageError": "errors",
    "DivergenceError": "errors",
    "DisagreementError": "errors",
    "Recording": "recordings",
    "read_recordings": "recordings",
    "with_labels": "recordings",
    "DataSet": "recordings",
    "choose": "recordings.choosing",
    "save_recordings": "recordings.saving",
    "same_units": "units",
    "same_channels": "units",
    "Finding": "findings",
    "find_problems": "findings",
    "Preparation": "network",
    "Examples": "preparation",
    "fit_preparation": "preparation",
    "prepare": "preparation",
    "Layer": "network",
    "Network": "network",
    "start_network": "network",
    "Settings": "settings",
    "make_settings": "settings",
    "Progress": "fitting",
    "Run": "runs",
    "Watch": "fitting",
    "train": "training",
    "train_examples": "fitting",
    "train_many": "many",
    "Prediction": "prediction",
    "predict": "prediction",
    "Score": "evaluation",
    "evaluate": "evaluation",
    "score_network": "evaluation",
    "Choice": "runs",
    "Rejection": "rejection",
    "reject_left_out": "rejection",
    "write_report": "report",
    "Explanation": "explain.explanation",
    "explain_step": "explain.step",
    "explain_course": "explain.course",
    "explain_prediction": "explain.prediction.explaining",
    "explain_file": "explain.learner.explaining",
    "trace_history": "explain.history.trace",
    "without": "explain.history.without",
    "diagnose": "diagnosis",
    "Diagnosis": "diagnosis",
    "check_gradients": "explain.gradient_check",
    "Artefact": "export.exporting",
    "BoardModel": "export.board_model",
    "export_network": "export.exporting",
    "make_board_model": "export.board_model",
    "verify_model": "export.verifying",
    "list_boards": "board.ports",
    "record": "board.recording",
    "listen": "board.listening",
    "GestureClassifier": "gestures",
    "NetworkClassifier": "estimators",
    "NetworkRegressor": "estimators",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tinyglass' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
