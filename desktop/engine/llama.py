"""llama.cpp through llama-cpp-python's low-level calls: load, read, answer. Never knows of talks or journals."""

import codecs
import ctypes
import hashlib
import os
from collections.abc import Callable, Generator
from pathlib import Path

import llama_cpp.llama_cpp as ll

from desktop.engine.header import Header, free_bytes, read_header
from desktop.engine.protocol import Sampling, Turn
from desktop.engine.template import CHATML, LLAMA_2, ChatTemplate
from desktop.errors import UserError

DEFAULT_CONTEXT = 4096
# Tokens read in one call: small, so that a stop is heard within one of them even on a 7B model.
BATCH = 64
PENALTY_WINDOW = 64


class LlamaModel:
    """One loaded GGUF with one context. Used from one thread; only `stop` may be called from another."""

    def __init__(self, path: Path, context_length: int, alive: Callable[[], None]) -> None:
        """Loads `path`. `context_length` in tokens, 0 for the default. Raises UserError."""
        self.header = read_header(path)
        self.context_length = _context_length(self.header, context_length)
        self._alive = alive
        self._log = _listen()
        ll.llama_backend_init()
        self._stopping = ctypes.create_string_buffer(2)
        self._cached: list[int] = []
        self._model = self._load()
        self._vocabulary = ll.llama_model_get_vocab(self._model)
        self._context = self._new_context()
        self._template = self._read_template()

    def sha256(self) -> str:
        """The file's SHA-256 as hex digits."""
        with self.header.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def tokens(self, turns: list[Turn]) -> list[int]:
        """The prompt as token ids. Raises UserError("template_failed")."""
        text = self._template.render(turns)
        bos = self._piece(ll.llama_vocab_bos(self._vocabulary)).decode("utf-8", "replace")
        return self._tokenize(text, add_special=not (bos and text.startswith(bos)))

    def answer(self, prompt: list[int], sampling: Sampling, max_tokens: int) -> Generator[str, None, str]:
        """Yields the answer in pieces of whole characters; returns how it ended: "end", "length" or "stopped".

        The cache keeps what it has read: only what differs from the last prompt is read again.
        Raises UserError("out_of_memory") when the cache cannot take the prompt.
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        sampler = _sampler(sampling, ll.llama_vocab_n_tokens(self._vocabulary))
        try:
            if not self._read(prompt):
                return "stopped"
            for _ in range(max_tokens):
                token = ll.llama_sampler_sample(sampler, self._context, -1)
                if ll.llama_vocab_is_eog(self._vocabulary, token):
                    return "end"
                text = decoder.decode(self._piece(token))
                if text:
                    yield text
                if self._stopping[0] != b"\0" or not self._decode([token]):
                    return "stopped"
            return "length"
        finally:
            ll.llama_sampler_free(sampler)

    def begin(self) -> None:
        """Forgets an earlier `stop`. To be called before `answer`, never within it: a stop would be lost."""
        self._stopping[0] = b"\0"

    def stop(self) -> None:
        """Ends `answer` at once, in the middle of a computation too."""
        self._stopping[0] = b"\1"

    def _read(self, prompt: list[int]) -> bool:
        """Brings the cache to `prompt`; False if stopped on the way."""
        kept = 0
        while kept < min(len(prompt) - 1, len(self._cached)) and self._cached[kept] == prompt[kept]:
            kept += 1
        memory = ll.llama_get_memory(self._context)
        if not ll.llama_memory_seq_rm(memory, 0, kept, -1):
            # A recurrent state cannot be cut back: read all again.
            ll.llama_memory_clear(memory, True)
            kept = 0
        del self._cached[kept:]
        for start in range(kept, len(prompt), BATCH):
            if self._stopping[0] != b"\0" or not self._decode(prompt[start : start + BATCH]):
                return False
            self._alive()
        return True

    def _decode(self, tokens: list[int]) -> bool:
        """Computes `tokens`; False if stopped, and then the cache is as before."""
        array = (ll.llama_token * len(tokens))(*tokens)
        result = ll.llama_decode(self._context, ll.llama_batch_get_one(array, len(tokens)))
        if result == 0:
            self._cached += tokens
            return True
        ll.llama_memory_seq_rm(ll.llama_get_memory(self._context), 0, len(self._cached), -1)
        if result == 2:
            return False
        raise UserError("out_of_memory", path=str(self.header.path))

    def _load(self) -> ll.llama_model_p:
        needed, free = self.header.needed_bytes(self.context_length), free_bytes()
        if free and needed > free:
            raise UserError("model_too_large", needed=_gigabytes(needed), free=_gigabytes(free))

        def progressed(_progress: float, _data: ctypes.c_void_p) -> bool:
            self._alive()
            return True

        params = ll.llama_model_default_params()
        params.n_gpu_layers = 0
        params.progress_callback = ll.llama_progress_callback(progressed)
        model: ll.llama_model_p | None = ll.llama_model_load_from_file(os.fsencode(self.header.path), params)
        if not model:
            if any("unknown model architecture" in line for line in self._log):
                raise UserError("model_unknown_architecture", architecture=self.header.architecture)
            raise UserError("model_broken", path=str(self.header.path))
        return model

    def _new_context(self) -> ll.llama_context_p:
        params = ll.llama_context_default_params()
        params.n_ctx = self.context_length
        params.n_batch = params.n_ubatch = BATCH
        params.n_threads = params.n_threads_batch = physical_cores()
        # llama.cpp asks this between two steps of the computation. strlen of a buffer that is empty until
        # a stop is asked for says just that, without a call into Python for each of thousands of steps.
        params.abort_callback = ctypes.cast(ctypes.CDLL(None).strlen, ll.ggml_abort_callback)
        params.abort_callback_data = ctypes.addressof(self._stopping)
        context: ll.llama_context_p | None = ll.llama_init_from_model(self._model, params)
        if not context:
            raise UserError("out_of_memory", path=str(self.header.path))
        return context

    def _read_template(self) -> ChatTemplate:
        values = self.header.values
        vocabulary = self._vocabulary
        source = values.get("tokenizer.chat_template")
        if not source:
            llama_2 = (values.get("general.architecture"), values.get("tokenizer.ggml.model")) == (
                "llama",
                "llama",
            )
            source = LLAMA_2 if llama_2 else CHATML
        control = (
            self._piece(token).decode("utf-8", "replace")
            for token in range(ll.llama_vocab_n_tokens(vocabulary))
            if ll.llama_vocab_is_control(vocabulary, token)
        )
        bos, eos = ll.llama_vocab_bos(vocabulary), ll.llama_vocab_eos(vocabulary)
        return ChatTemplate(
            str(source),
            self._piece(bos).decode("utf-8", "replace"),
            self._piece(eos).decode("utf-8", "replace"),
            control,
        )

    def _tokenize(self, text: str, add_special: bool) -> list[int]:
        data = text.encode("utf-8")
        room = len(data) + 8
        array = (ll.llama_token * room)()
        count = ll.llama_tokenize(self._vocabulary, data, len(data), array, room, add_special, True)
        return list(array[:count])

    def _piece(self, token: int) -> bytes:
        """The token's own bytes, which need not be whole characters; empty for "no such token"."""
        if token < 0:
            return b""
        buffer = ctypes.create_string_buffer(64)
        size = ll.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, True)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = ll.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, True)
        return buffer.raw[:size]


def _context_length(header: Header, wanted: int) -> int:
    trained = header.trained_context or DEFAULT_CONTEXT
    return min(wanted or DEFAULT_CONTEXT, trained)


def _sampler(sampling: Sampling, vocabulary_size: int) -> "ll.llama_sampler_p":
    chain: ll.llama_sampler_p = ll.llama_sampler_chain_init(ll.llama_sampler_chain_default_params())
    for part in (
        ll.llama_sampler_init_penalties(vocabulary_size, PENALTY_WINDOW, sampling["repeat_penalty"], 0.0, 0.0),
        ll.llama_sampler_init_top_p(sampling["top_p"], 1),
        ll.llama_sampler_init_min_p(sampling["min_p"], 1),
        ll.llama_sampler_init_temp(sampling["temperature"]),
        ll.llama_sampler_init_dist(sampling["seed"]),
    ):
        ll.llama_sampler_chain_add(chain, part)
    return chain


def _listen() -> list[str]:
    """Keeps what llama.cpp logs from the screen; it is only looked through to tell why a load failed."""
    lines: list[str] = []

    def keep(_level: int, words: bytes, _data: ctypes.c_void_p) -> None:
        lines.append(words.decode("utf-8", "replace"))
        del lines[:-200]

    callback = ll.llama_log_callback(keep)
    ll.llama_log_set(callback, ctypes.c_void_p())
    # ctypes drops a callback that nobody holds, and llama.cpp would then call into freed memory.
    _held.append(callback)
    return lines


_held: list[object] = []


def physical_cores() -> int:
    """Cores that this process may use, two hardware threads of one core counted once."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = set()
    for cpu in allowed:
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        try:
            cores.add(
                (
                    topology.joinpath("physical_package_id").read_text(),
                    topology.joinpath("core_id").read_text(),
                )
            )
        except OSError:
            return len(allowed)
    return len(cores)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f}"
