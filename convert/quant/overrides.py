"""Types that a person sets for single tensors, PATTERN=TYPE as llama-quantize's --tensor-type; never a recipe.

Source: llama.cpp, tools/quantize/quantize.cpp (parse_tensor_type) and src/llama-quant.cpp (llama_tensor_get_type):
the pattern is put in lower case and searched for anywhere in the name, the first that is found counts, the type's
case is ignored.
"""

import re
from dataclasses import dataclass

from convert.errors import ConvertError
from convert.quant.types import TYPES, TensorType


@dataclass(frozen=True)
class Override:
    """Tensors whose name holds `pattern` get `type`, or what it falls back to for their shape."""

    pattern: re.Pattern[str]
    type: TensorType

    def fits(self, name: str) -> bool:
        """Whether the override is for the tensor `name`."""
        return self.pattern.search(name) is not None


def parse_override(text: str) -> Override:
    """Return the override that PATTERN=TYPE says. Raises ConvertError when it is none."""
    pattern, _, name = text.partition("=")
    if not pattern or not name:
        raise ConvertError(f"{text!r} sets no tensor's type; write a pattern, = and a type, such as attn_v=Q6_K.")
    if name.upper() not in TYPES:
        raise ConvertError(f"{name!r} is not a type that can be written; choose one of {', '.join(TYPES)}.")
    # C++ reads [:digit:] as a class of letters, Python as a set of signs, and (? alone is understood by both
    # only as (?: (?= and (?!: better to refuse than to choose other tensors.
    if "[:" in pattern or re.search(r"\(\?(?![:=!])", pattern):
        raise ConvertError(f"The pattern {pattern!r} uses a notation that llama.cpp and we read differently.")
    try:
        return Override(re.compile(pattern.lower(), re.ASCII), TYPES[name.upper()])
    except re.error as error:
        raise ConvertError(f"The pattern {pattern!r} is not a regular expression ({error}).") from error
