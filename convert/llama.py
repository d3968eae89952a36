"""llama.cpp at work on one GGUF: tokens, logits, an answer, an embedding; never looks into the file itself.

The caller has read the header with `gguf_in` before: llama.cpp may end the process at a damaged one.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import llama_cpp.llama_cpp as ll
import numpy as np

from convert.errors import ConvertError
from convert.tensors import Array

MICRO_BATCH = 512
Watch = Callable[[int, bool], bool]  # (address of a computed tensor, whether it is only asked for) -> wanted, go on


class Llama:
    """One loaded model with room for `context` tokens; a context manager.

    `watch` is called for every tensor of a computation, first asking whether it is wanted.
    """

    def __init__(
        self, path: Path, context: int, threads: int, watch: Watch | None = None, *, embedding: bool = False
    ) -> None:
        """Load the model at `path`. Raises ConvertError when llama.cpp does not take it."""
        self._path = path
        self._log = _listen()
        ll.llama_backend_init()
        self._model = self._load()
        self._vocabulary = ll.llama_model_get_vocab(self._model)
        self.size = int(ll.llama_vocab_n_tokens(self._vocabulary))
        params = ll.llama_context_default_params()
        params.n_ctx = params.n_batch = context
        params.n_ubatch = context if embedding else min(MICRO_BATCH, context)
        params.n_threads = params.n_threads_batch = threads
        params.embeddings, params.op_offload = embedding, False
        # ctypes drops a callback that nobody holds.
        self._watch = ll.ggml_backend_sched_eval_callback(_watched(watch)) if watch else None
        if self._watch:
            params.cb_eval = self._watch
        self._context = ll.llama_init_from_model(self._model, params)
        if not self._context:
            ll.llama_model_free(self._model)
            raise ConvertError(f"There is not enough memory to run {path} with a context of {context} tokens.")
        self._batch = ll.llama_batch_init(context, 0, 1)

    def add_adapter(self, path: Path) -> None:
        """Add the LoRA adapter at `path`, a GGUF too, to all that is computed. Raises ConvertError."""
        adapter = ll.llama_adapter_lora_init(self._model, os.fsencode(path))
        if not adapter:
            raise ConvertError(f"llama.cpp does not add the adapter {path} to {self._path}: {self._last_words()}.")
        adapters = (ll.llama_adapter_lora_p_ctypes * 1)(adapter)
        ll.llama_set_adapters_lora(self._context, adapters, 1, (ctypes.c_float * 1)(1.0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ll.llama_batch_free(self._batch)
        ll.llama_free(self._context)
        ll.llama_model_free(self._model)

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of `text`, with those that the model wants around a text; markers are plain text."""
        data = text.encode("utf-8")
        room = len(data) + 8
        array = (ll.llama_token * room)()
        count = ll.llama_tokenize(self._vocabulary, data, len(data), array, room, True, False)
        return list(array[:count])

    @property
    def first_token(self) -> int | None:
        """The token that goes before every text, or None when the model wants none."""
        adds = ll.llama_vocab_get_add_bos(self._vocabulary)
        return int(ll.llama_vocab_bos(self._vocabulary)) if adds else None

    def logits(self, tokens: Sequence[int], first: int) -> Array:
        """Return the logits after each of `tokens` from the place `first` on (tokens x vocabulary).

        The values are the model's own memory: to be used before the next call.
        """
        ll.llama_memory_clear(ll.llama_get_memory(self._context), True)
        self._decode(tokens, 0, first)
        pointer = ll.llama_get_logits(self._context)
        return np.ctypeslib.as_array(pointer, (len(tokens) - first, self.size))

    def next_logits(self, token: int, place: int) -> Array:
        """Return the logits after one more `token`, which stands at `place`; all before it must have been read."""
        self._decode([token], place, 0)
        return np.ctypeslib.as_array(ll.llama_get_logits(self._context), (self.size,))

    def answer(self, tokens: Sequence[int], most: int) -> list[int]:
        """Return the likeliest tokens after `tokens`, up to `most` or the end. Raises ConvertError without numbers."""
        likely = self.logits(tokens, len(tokens) - 1)[-1]
        found: list[int] = []
        while len(found) < most:
            if not np.isfinite(likely).all():
                raise ConvertError(f"{self._path} computes values that are not numbers.")
            token = int(likely.argmax())
            if ll.llama_vocab_is_eog(self._vocabulary, token):
                break
            likely = self.next_logits(token, len(tokens) + len(found))
            found.append(token)
        return found

    def embedding(self, tokens: Sequence[int]) -> Array:
        """Return the one embedding of `tokens` as the model pools it; for models loaded for embedding."""
        ll.llama_memory_clear(ll.llama_get_memory(self._context), True)
        self._decode(tokens, 0, 0)
        pointer = ll.llama_get_embeddings_seq(self._context, 0)
        if not pointer:
            raise ConvertError(f"{self._path} gives no embedding of a text.")
        return np.ctypeslib.as_array(pointer, (ll.llama_model_n_embd(self._model),)).copy()

    def text(self, tokens: Sequence[int]) -> str:
        """Return what `tokens` say."""
        room = ctypes.create_string_buffer(256)
        pieces = []
        for token in tokens:
            length = ll.llama_token_to_piece(self._vocabulary, token, room, len(room), 0, False)
            pieces.append(room.raw[: max(length, 0)])
        return b"".join(pieces).decode("utf-8", "replace")

    def _decode(self, tokens: Sequence[int], start: int, first: int) -> None:
        batch = self._batch
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place], batch.pos[place], batch.logits[place] = token, start + place, place >= first
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
        if ll.llama_decode(self._context, batch):
            raise ConvertError(f"llama.cpp could not compute with {self._path}: {self._last_words()}.")

    def _load(self) -> "ll.llama_model_p":
        params = ll.llama_model_default_params()
        params.n_gpu_layers = 0
        model: ll.llama_model_p | None = ll.llama_model_load_from_file(os.fsencode(self._path), params)
        if not model:
            raise ConvertError(f"llama.cpp does not load {self._path}: {self._last_words()}.")
        return model

    def _last_words(self) -> str:
        """Return the last complaint that says something of its own."""
        told = [line.strip() for line in self._log if "rror" in line or "ailed" in line]
        return told[0].rstrip(".") if told else "it gives no reason"


def version() -> str:
    """Return which llama-cpp-python this is."""
    import llama_cpp

    return str(llama_cpp.__version__)


def _watched(watch: Watch) -> Callable[[int, bool, int], bool]:
    return lambda tensor, ask, _data: watch(tensor, ask)


def _listen() -> list[str]:
    """Keep what llama.cpp logs from the screen; it is only looked through to tell why something failed."""
    _LINES.clear()
    ll.llama_log_set(_LISTENER, ctypes.c_void_p())
    return _LINES


_LINES: list[str] = []


def _heard(level: int, words: bytes, _data: int) -> None:
    if level >= ERROR:
        _LINES.append(words.decode("utf-8", "replace"))
        del _LINES[:-100]


ERROR = 4  # ggml_log_level in ggml.h
_LISTENER = ll.llama_log_callback(_heard)
