"""The tokenizer's files in a checkpoint's folder, read once; never decides what they mean."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from convert.errors import ConvertError
from convert.json_file import Json, read_object_if_present


@dataclass(frozen=True)
class TokenizerFiles:
    """The JSON files of one folder, each empty when it is not there."""

    folder: Path
    tokenizer: Json
    tokenizer_config: Json
    added_tokens: Json
    config: Json
    generation: Json

    @classmethod
    def read(cls, folder: Path, model: Path | None = None) -> Self:
        """Read the files in `folder`, the settings of the model in `model` if that is another one.

        Raises ConvertError when one of them is not JSON.
        """
        model = model or folder
        return cls(
            folder,
            tokenizer=read_object_if_present(folder / "tokenizer.json"),
            tokenizer_config=read_object_if_present(folder / "tokenizer_config.json"),
            added_tokens=read_object_if_present(folder / "added_tokens.json"),
            config=read_object_if_present(model / "config.json"),
            generation=read_object_if_present(model / "generation_config.json"),
        )

    @property
    def model_path(self) -> Path:
        """Where a SentencePiece model would be."""
        return self.folder / "tokenizer.model"

    @property
    def is_llama(self) -> bool:
        """Whether llama.cpp's converter treats the model as a Llama."""
        return self.config.get("architectures") in (["LlamaForCausalLM"], ["MistralForCausalLM"])

    @property
    def is_word_piece(self) -> bool:
        """Whether tokenizer.json holds a WordPiece vocabulary."""
        model = self.tokenizer.get("model")
        return isinstance(model, dict) and model.get("type") == "WordPiece"


@dataclass(frozen=True)
class AddedToken:
    """A token that was added to the trained vocabulary; a special one is never read out of plain text."""

    number: int
    text: str
    special: bool


def listed_tokens(files: TokenizerFiles) -> list[AddedToken]:
    """Return the added_tokens of tokenizer.json. Raises ConvertError when the list is malformed."""
    listed = files.tokenizer.get("added_tokens") or []
    try:
        return [_added(entry["id"], entry) for entry in listed]
    except (KeyError, TypeError, ValueError) as error:
        raise ConvertError(f"{files.folder / 'tokenizer.json'} has malformed added_tokens.") from error


def decoder_tokens(files: TokenizerFiles) -> list[AddedToken]:
    """Return the added_tokens_decoder of tokenizer_config.json. Raises ConvertError when it is malformed."""
    decoder = files.tokenizer_config.get("added_tokens_decoder") or {}
    try:
        return [_added(int(number), entry) for number, entry in decoder.items()]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConvertError(f"{files.folder / 'tokenizer_config.json'} has a malformed added_tokens_decoder.") from error


def _added(number: int, entry: Json) -> AddedToken:
    text = entry["content"]
    if type(number) is not int or number < 0 or not isinstance(text, str):
        raise ValueError("an added token needs a number and a text")
    return AddedToken(number, text, bool(entry.get("special")))


def looks_special(text: str) -> bool:
    """Whether a token not marked as special is one by its form, as llama.cpp's converter judges it."""
    brackets = (("<|", "|>"), ("<｜", "｜>"), ("<unused", ">"))
    return text in {"<pad>", "<mask>", "<2mass>", "[@BOS@]"} or any(
        text.startswith(opening) and text.endswith(closing) for opening, closing in brackets
    )
