"""The Qt side of the engine: asks the child for answers and tells how it went. Never loads a model itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.engine.protocol import Generate, Load, Sampling, Stop, Turn
from desktop.errors import UserError
from desktop.process import JsonProcess
from desktop.records import ModelIdentity

# Longer than any single step of the child on a slow machine; after that it counts as hung.
SILENCE_MS = 30_000
# A stop is heard within 100 ms; a child that has not answered by then is hung.
STOP_SILENCE_MS = 5_000


class EngineClient(QObject):
    """One model, one child. A child that is gone is started again by the next `generate`.

    `loaded(ModelIdentity)`; `token(text)` for the answer asked for last; then either
    `finished(reason, unseen)` or `failed(UserError)`. A load that fails is a `failed` too, with
    `is_loaded` False.
    """

    loaded = Signal(object)
    token = Signal(str)
    finished = Signal(str, int)
    failed = Signal(object)

    def __init__(
        self,
        model: Path,
        known_sha256: Callable[[Path], str | None],
        silence_ms: int = SILENCE_MS,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.model = model
        self.is_loaded = False
        self._known_sha256 = known_sha256
        self._id = 0
        self._asked: int | None = None
        self._process = JsonProcess("desktop.engine", self)
        self._process.received.connect(self._hear)
        self._process.ended.connect(lambda: self._lose(UserError("engine_ended")))
        self._silence_ms = silence_ms
        self._silence = QTimer(self, singleShot=True)
        self._silence.timeout.connect(lambda: self._lose(UserError("engine_silent")))

    @property
    def pid(self) -> int:
        """The child's process id, 0 while there is none."""
        return self._process.pid

    def start(self) -> None:
        """Starts the child and loads the model, if that has not happened yet; returns at once."""
        if self._process.is_running:
            return
        self.is_loaded = False
        self._process.start()
        self._process.send(
            dict(Load(do="load", path=str(self.model), sha256=self._known_sha256(self.model), context_length=0))
        )
        self._silence.start(self._silence_ms)

    def generate(self, turns: list[Turn], sampling: Sampling, max_tokens: int) -> None:
        """Asks for an answer to `turns`, the oldest first. One at a time."""
        self.start()
        self._id += 1
        self._asked = self._id
        self._process.send(
            dict(Generate(do="generate", id=self._id, turns=turns, sampling=sampling, max_tokens=max_tokens))
        )
        self._silence.start(self._silence_ms)

    def stop(self) -> None:
        """Ends the answer under way; `finished` still comes."""
        if self._asked is None:
            return
        self._process.send(dict(Stop(do="stop", id=self._asked)))
        if self.is_loaded:
            self._silence.start(STOP_SILENCE_MS)
        else:
            # A large model may load for a long time yet; the child will find the request stopped.
            self._asked = None
            self.finished.emit("stopped", 0)

    def abandon(self) -> None:
        """Ends the answer under way without a signal; the child and its model stay."""
        if self._asked is not None and self._process.is_running:
            self._process.send(dict(Stop(do="stop", id=self._asked)))
        self._asked = None
        if self.is_loaded:
            self._silence.stop()

    def close(self) -> None:
        """Ends the child, and the answer under way with it, without a signal."""
        self._asked = None
        self._silence.stop()
        self._process.close()

    def _hear(self, message: dict[str, Any]) -> None:
        self._silence.start(self._silence_ms)
        match message:
            case {"event": "loaded", "name": str(name), "sha256": str(sha256)}:
                self.is_loaded = True
                self._rest_if_idle()
                self.loaded.emit(ModelIdentity(name, sha256))
            case {"event": "token", "id": self._asked, "text": str(text)}:
                self.token.emit(text)
            case {"event": "finished", "id": self._asked, "reason": str(reason), "unseen": int(unseen)}:
                self._asked = None
                self._rest_if_idle()
                self.finished.emit(reason, unseen)
            case {"event": "failed", "id": int(request), "code": str(code), "details": dict(details)}:
                error = UserError(code, **details)
                if request == 0:
                    self._lose(error)
                elif request == self._asked:
                    self._asked = None
                    self._rest_if_idle()
                    self.failed.emit(error)

    def _rest_if_idle(self) -> None:
        if self._asked is None:
            self._silence.stop()

    def _lose(self, error: UserError) -> None:
        """The child is of no more use. Before its model was loaded, an end means that the file broke it."""
        if error.code == "engine_ended" and not self.is_loaded:
            error = UserError("model_broken", path=str(self.model))
        self.close()
        self.is_loaded = False
        self.failed.emit(error)
