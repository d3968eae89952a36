"""llama.cpp and the gguf package as judges of a GGUF file; never asked how it was made."""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Llama:
    """llama.cpp itself, for the questions the tests ask it."""

    folder: Path

    def quantize(
        self,
        source: Path,
        file_type: int,
        importance: Mapping[str, NDArray[np.float32]] | None = None,
        overrides: Mapping[str, int] | None = None,
    ) -> Path:
        """Return what llama.cpp's own quantizer makes of `source`; `overrides` are type numbers by pattern."""
        target = self.folder / f"{source.stem}-{file_type}.gguf"
        parameters = llama_cpp.llama_model_quantize_default_params()
        parameters.ftype, parameters.nthread = file_type, 2
        if importance:
            parameters.imatrix = (llama_cpp.llama_model_imatrix_data * (len(importance) + 1))()
            for entry, (name, weights) in zip(parameters.imatrix, importance.items(), strict=False):
                entry.name, entry.size = name.encode(), weights.size
                entry.data = weights.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        if overrides:
            parameters.tt_overrides = (llama_cpp.llama_model_tensor_override * (len(overrides) + 1))()
            for override, (pattern, number) in zip(parameters.tt_overrides, overrides.items(), strict=False):
                override.pattern, override.type = pattern.encode(), number
        names = str(source).encode(), str(target).encode()
        assert llama_cpp.llama_model_quantize(*names, ctypes.byref(parameters)) == 0
        return target

    def logits(self, path: Path, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Return the logits (tokens x vocabulary) after each of `tokens`."""
        model = self._open(path, logits_all=True)
        model.eval(list(tokens))
        logits = np.array(model.scores[: len(tokens)])
        model.close()
        return logits

    def embeddings(self, path: Path, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return a vector of length one for each text, as the file says that they are made."""
        model = llama_cpp.Llama(str(path), n_ctx=128, n_threads=1, verbose=False, embedding=True)
        vectors = np.array([model.embed(text, normalize=True) for text in texts])
        model.close()
        return vectors

    def ends(self, path: Path, tokens: Sequence[int]) -> list[bool]:
        """Return for each token whether an answer ends with it."""
        model = self._open(path, vocab_only=True)
        vocab = llama_cpp.llama_model_get_vocab(model.model)
        ends = [bool(llama_cpp.llama_vocab_is_eog(vocab, token)) for token in tokens]
        model.close()
        return ends

    def tokenize(self, path: Path, texts: Sequence[str], *, special: bool = False) -> list[list[int]]:
        """Return the tokens of each text, without the ones that are added to a whole text."""
        model = self._open(path, vocab_only=True)
        tokens = [model.tokenize(text.encode(), add_bos=False, special=special) for text in texts]
        model.close()
        return tokens

    def answer(self, path: Path, text: str, most: int) -> tuple[str, str]:
        """Return the likeliest answer to a message and why it ended."""
        model = self._open(path)
        message: list[llama_cpp.ChatCompletionRequestMessage] = [{"role": "user", "content": text}]
        reply = model.create_chat_completion(message, temperature=0, max_tokens=most)
        model.close()
        assert isinstance(reply, dict)
        choice = reply["choices"][0]
        return choice["message"]["content"] or "", choice["finish_reason"] or ""

    def _open(self, path: Path, *, logits_all: bool = False, vocab_only: bool = False) -> llama_cpp.Llama:
        return llama_cpp.Llama(
            str(path), n_ctx=256, n_threads=1, verbose=False, logits_all=logits_all, vocab_only=vocab_only
        )


def read_tensors(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Return the type, the shape (rows first) and the bytes of each tensor."""
    return {
        tensor.name: (
            gguf.GGMLQuantizationType(tensor.tensor_type).name,
            tuple(int(length) for length in reversed(tensor.shape)),
            tensor.data.tobytes(),
        )
        for tensor in gguf.GGUFReader(path).tensors
    }


def read_metadata(path: Path) -> dict[str, object]:
    """Return the metadata as plain values."""
    fields = gguf.GGUFReader(path).fields
    return {key: field.contents() for key, field in fields.items() if not key.startswith("GGUF.")}
