"""The engine child's loop: lines in, lines out. Never touches the network, the journal or the screen."""

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from desktop.engine import context
from desktop.engine.llama import LlamaModel
from desktop.engine.protocol import Alive, Event, Failed, Finished, Loaded, Token, Turn
from desktop.errors import UserError
from desktop.hardening import keep_out_of_dumps


class Child:
    """Answers requests one at a time, while a reader thread lets a stop overtake them."""

    def __init__(self, requests: IO[bytes], events: IO[bytes]) -> None:
        self._requests = requests
        self._events = events
        self._queue: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self._model: LlamaModel | None = None
        self._stopped_id = 0

    def run(self) -> None:
        """Serves until the parent closes the pipe, which the reader thread sees even in mid-computation."""
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            request = self._queue.get()
            try:
                if request["do"] == "load":
                    self._load(request)
                else:
                    self._generate(request)
            except UserError as error:
                self._say(Failed(event="failed", id=request.get("id", 0), code=error.code, details=error.details))

    def _listen(self) -> None:
        for line in self._requests:
            request = json.loads(line)
            if request["do"] == "stop":
                self._stopped_id = request["id"]
                if self._model:
                    self._model.stop()
            else:
                self._queue.put(request)
        os._exit(0)

    def _load(self, request: Mapping[str, Any]) -> None:
        self._model = model = LlamaModel(Path(request["path"]), request["context_length"], self._alive)
        sha256 = request["sha256"] or model.sha256()
        self._say(Loaded(event="loaded", name=model.header.name, sha256=sha256, context_length=model.context_length))

    def _generate(self, request: Mapping[str, Any]) -> None:
        model = self._model
        if model is None:
            raise UserError("engine_ended")

        def prompt(turns: list[Turn]) -> list[int]:
            return model.tokens(context.merge(turns))

        fitted = context.fit_into(
            model.context_length, request["max_tokens"], request["turns"], lambda turns: len(prompt(turns))
        )
        if fitted is None:
            raise UserError("message_too_long")
        turns, unseen = fitted
        tokens = prompt(turns)
        room = model.context_length - len(tokens)
        answer = model.answer(tokens, request["sampling"], min(request["max_tokens"], room))
        # A stop that came before this line is known by its id, a later one by the model's own flag.
        model.begin()
        while self._stopped_id < request["id"]:
            try:
                text = next(answer)
            except StopIteration as ended:
                self._say(Finished(event="finished", id=request["id"], reason=ended.value, unseen=unseen))
                return
            self._say(Token(event="token", id=request["id"], text=text))
        answer.close()
        self._say(Finished(event="finished", id=request["id"], reason="stopped", unseen=unseen))

    def _alive(self) -> None:
        self._say(Alive(event="alive"))

    def _say(self, event: Event) -> None:
        self._events.write(json.dumps(event).encode("ascii") + b"\n")
        self._events.flush()


def main() -> None:
    """Takes over stdin and stdout. C libraries print to fd 1, so the protocol moves away from it first."""
    keep_out_of_dumps()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    Child(sys.stdin.buffer, events).run()


if __name__ == "__main__":
    main()
