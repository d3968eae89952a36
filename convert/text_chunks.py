"""Text as llama.cpp's own tools cut it up for measuring; never a model.

Source: llama.cpp, tools/perplexity/perplexity.cpp and tools/imatrix/imatrix.cpp.
"""

from collections.abc import Sequence
from pathlib import Path

from convert.errors import ConvertError

LARGEST = 1 << 28  # bytes


def read_text(path: Path) -> str:
    """Return the text in the file at `path`. Raises ConvertError when it is none in UTF-8."""
    try:
        if path.stat().st_size > LARGEST:
            raise ConvertError(f"{path} is larger than {LARGEST >> 20} MB; a part of it is enough.")
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConvertError(f"The text {path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ConvertError(f"{path} is not a text in UTF-8.") from error


def text_chunks(
    tokens: Sequence[int], first_token: int | None, context: int, most: int | None, text: Path
) -> list[list[int]]:
    """Return `tokens` in chunks of `context`, up to `most`; what is left over at the end is left out.

    Where the model wants a token before a text, it takes the place of the first one of each chunk. Raises
    ConvertError when there is not enough text for two chunks, as the tools do.
    """
    if len(tokens) < 2 * context:
        raise ConvertError(
            f"{text} has {len(tokens)} tokens, but {2 * context} are needed; take a longer text or a shorter --context."
        )
    chunks = [list(tokens[start : start + context]) for start in range(0, len(tokens) - context + 1, context)]
    for chunk in chunks:
        if first_token is not None:
            chunk[0] = first_token
    return chunks[:most]
