"""Tokenizer files become GGUF tokenizer metadata; never a tensor."""

from collections.abc import Sequence
from pathlib import Path

from convert.errors import ConvertError
from convert.tensors import Metadata
from convert.vocab.byte_level import byte_level_metadata
from convert.vocab.files import TokenizerFiles
from convert.vocab.sentencepiece_model import sentencepiece_metadata
from convert.vocab.special import chat_template, special_metadata


def vocab_metadata(
    base: Path, template_folders: Sequence[Path], vocab_size: int, tokenizer: Path | None = None
) -> Metadata:
    """Return the tokenizer.* metadata of the checkpoint in `base` with `vocab_size` rows in its embedding.

    `tokenizer` is the folder of its tokenizer where that is not `base`. The chat template comes from the first of
    `template_folders` that has one. Raises ConvertError when the tokenizer is missing, of an unknown kind, or does
    not fit the model.
    """
    files = TokenizerFiles.read(tokenizer or base, base)
    model = files.tokenizer.get("model")
    if files.model_path.exists():
        metadata = sentencepiece_metadata(files, vocab_size)
    elif isinstance(model, dict) and model.get("type") == "BPE":
        if model.get("byte_fallback"):
            raise ConvertError(
                f"{base} has no tokenizer.model, and tokenizer.json does not hold the scores that it had; "
                "copy tokenizer.model from the original base model into the folder."
            )
        # A text gets no bos token unless a file says so, which llama.cpp must be told.
        metadata = byte_level_metadata(files, vocab_size) | {"tokenizer.ggml.add_bos_token": False}
    elif model is not None:
        raise ConvertError(f"{base / 'tokenizer.json'} is of a kind that is not supported yet.")
    else:
        raise ConvertError(f"{base} has no tokenizer.model and no usable tokenizer.json.")
    metadata |= special_metadata(files, vocab_size)
    template = chat_template(template_folders)
    return metadata if template is None else metadata | {"tokenizer.chat_template": template}
