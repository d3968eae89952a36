"""Tokenizer files become GGUF tokenizer metadata; never a tensor."""

from collections.abc import Sequence
from pathlib import Path

from convert.errors import ConvertError
from convert.tensors import Metadata
from convert.vocab.byte_level import byte_level_metadata
from convert.vocab.files import TokenizerFiles
from convert.vocab.rebuilt_scores import rebuilt_metadata
from convert.vocab.sentencepiece_model import sentencepiece_metadata
from convert.vocab.special import special_metadata
from convert.vocab.template import chat_templates, template_metadata
from convert.vocab.word_piece import word_piece_metadata


def vocab_metadata(
    base: Path, template_folders: Sequence[Path], vocab_size: int, tokenizer: Path | None = None
) -> Metadata:
    """Return the tokenizer.* metadata of the checkpoint in `base` with `vocab_size` rows in its embedding.

    `tokenizer` is the folder of its tokenizer where that is not `base`. The chat template comes from the first of
    `template_folders` that has one. Raises ConvertError when the tokenizer is missing, of an unknown kind, or does
    not fit the model.
    """
    files = TokenizerFiles.read(tokenizer or base, base)
    metadata = _lists(files, vocab_size)
    tokens = metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, list)
    metadata |= special_metadata(files, tokens)
    names = (base.resolve().name, files.config.get("_name_or_path"))
    return metadata | template_metadata(chat_templates(template_folders), names, metadata)


def _lists(files: TokenizerFiles, vocab_size: int) -> Metadata:
    """Return the tokens with what belongs to each. Raises ConvertError for an unknown kind of tokenizer."""
    if files.model_path.exists():
        return sentencepiece_metadata(files, vocab_size)
    model = files.tokenizer.get("model") or {}
    kind = model.get("type") if isinstance(model, dict) else "no object"
    if kind == "BPE" and model.get("byte_fallback"):
        return rebuilt_metadata(files, vocab_size)
    if kind == "BPE":
        return byte_level_metadata(files, vocab_size)
    if kind == "WordPiece":
        return word_piece_metadata(files, vocab_size)
    if model:
        raise ConvertError(f"{files.folder / 'tokenizer.json'} is of a kind that is not supported ({kind}).")
    raise ConvertError(f"{files.folder} has no tokenizer.model and no usable tokenizer.json.")
