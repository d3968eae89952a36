"""Tells from the name of an adapter's tensor what it is and which weight it belongs to; never reads a value.

The names are those of PEFT's get_peft_model_state_dict. TRL, Axolotl, LLaMA-Factory and Unsloth save through it,
but what a model was wrapped in while it was trained can stay in the names: torch.compile (`_orig_mod`), FSDP,
activation checkpointing, DistributedDataParallel (`module`), and the adapter's own name (`lora_A.default.weight`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class Part(Enum):
    """What a tensor is to its weight."""

    A = auto()
    B = auto()
    EMBEDDING_A = auto()
    EMBEDDING_B = auto()
    MAGNITUDE = auto()
    BIAS = auto()  # trained beside B, added to the layer's bias
    ROWS = auto()  # some rows of an embedding
    WHOLE = auto()  # the weight itself


@dataclass(frozen=True)
class Key:
    """A tensor of the adapter: its own name, the weight it belongs to, what it is to it."""

    name: str
    weight: str
    part: Part


WRAPPERS = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
PREFIX = re.compile(r"^(?:module\.)?base_model\.model\.")
# What PEFT puts between a module and its weight when it wraps the module.
INSIDE = re.compile(r"\.(?:modules_to_save(?:\.default)?|(?:token_adapter\.)?base_layer)(?=\.(?:weight|bias)$)")
NAME = r"(?:\.[^.]+)?"  # the adapter's own name
FORMS: Mapping[Part, re.Pattern[str]] = {
    Part.A: re.compile(rf"(.+)\.lora_A{NAME}\.weight"),
    Part.B: re.compile(rf"(.+)\.lora_B{NAME}\.weight"),
    Part.BIAS: re.compile(rf"(.+)\.lora_B{NAME}\.bias"),
    Part.EMBEDDING_A: re.compile(rf"(.+)\.lora_embedding_A{NAME}"),
    Part.EMBEDDING_B: re.compile(rf"(.+)\.lora_embedding_B{NAME}"),
    Part.MAGNITUDE: re.compile(rf"(.+)\.lora_magnitude_vector{NAME}(?:\.weight)?"),
    Part.ROWS: re.compile(rf"(.+)\.token_adapter\.trainable_tokens_delta{NAME}"),
}


def parse(name: str) -> Key:
    """Return what the tensor called `name` is, as far as its name tells: the weight may not exist."""
    inner = PREFIX.sub("", WRAPPERS.sub("", name), count=1)
    for part, form in FORMS.items():
        if match := form.fullmatch(inner):
            return Key(name, f"{match[1]}.{'bias' if part is Part.BIAS else 'weight'}", part)
    return Key(name, INSIDE.sub("", inner), Part.WHOLE)


def module_of(weight: str) -> str:
    """Return the module that a weight or a bias belongs to."""
    return weight.rpartition(".")[0]


def ends_with(module: str, endings: tuple[str, ...]) -> bool:
    """Whether PEFT would take `module` for one of modules_to_save: it compares the letters at the end."""
    return module.endswith(endings)
