"""Reads adapter_config.json, every field of it; never a tensor.

Fields and defaults: LoraConfig of PEFT 0.21.2 (peft/tuners/lora/config.py). PEFT writes its files with sorted
keys, so where several patterns fit a module, the first one in the file counts, for PEFT as for us.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any, TypeVar

from convert.errors import ConvertError
from convert.json_file import Json
from convert.patterns import check_patterns, first_fits

# Fields that say how an adapter was trained or started, or are read below: no value of them stops a merge.
KNOWN = frozenset(
    {
        "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "corda_config", "ensure_weight_tying",
        "eva_config", "exclude_modules", "fan_in_fan_out", "inference_mode", "layers_pattern",
        "layers_to_transform", "loftq_config", "lora_alpha", "lora_bias", "lora_dropout", "lora_ga_config",
        "megatron_core", "modules_to_save", "peft_type", "peft_version", "qalora_group_size", "r", "rank_pattern",
        "revision", "runtime_config", "target_modules", "task_type", "trainable_token_indices", "use_dora",
        "use_rslora",
    }
)  # fmt: skip

# Kinds of adapter that cannot be merged, by the field that makes one; null, false, [] and {} switch it off.
REFUSED: Mapping[str, str] = {
    "alora_invocation_tokens": "it is an aLoRA adapter, which works only after certain words, as no merged weight can",
    "arrow_config": "it is an Arrow router, which chooses among adapters for each token, as no merged weight can",
    "kasa_config": "it is a KaSA adapter, which cut the base's smallest singular values off in training",
    "layer_replication": "it was trained on a base with repeated layers (layer_replication), which this one is not",
    "megatron_config": "its layers were split over machines by Megatron, whose layout is not understood here",
    "monteclora_config": "it is a MonteCLoRA adapter, whose weights are drawn at random anew each time",
    "target_parameters": "it changes parameters that are no layer's weight (target_parameters), not understood here",
    "use_bdlora": "it is a BD-LoRA adapter, whose factors are block-diagonal, which is not understood here",
    "use_qalora": "it is a QALoRA adapter, whose inputs are averaged in groups before the factors see them",
    "velora_config": "it is a VeLoRA adapter, which keeps training state beside its factors, not understood here",
}

# Ways to start training (init_lora_weights) that leave the base as it is.
HARMLESS_STARTS = (None, True, False, "gaussian", "eva", "orthogonal", "mica")
OTHER_STARTS: Mapping[str, str] = {
    "pissa": "PiSSA", "olora": "OLoRA", "corda": "CorDA", "lora_ga": "LoRA-GA", "loftq": "LoftQ",
}  # fmt: skip

Value = TypeVar("Value", int, float)
INACTIVE: tuple[object, ...] = (None, False, "", [], {})


@dataclass(frozen=True)
class Settings:
    """What an adapter's configuration says about merging it.

    `ranks` and `alphas` are those of the modules that PEFT's patterns fit; `saved` the endings of modules trained in
    full; `tokens` the trained rows by the ending of their module, under "" when only the numbers are given.
    """

    rank: int
    alpha: float
    ranks: Mapping[str, int]
    alphas: Mapping[str, float]
    rslora: bool
    dora: bool
    input_first: bool
    biased: bool
    ties: bool
    saved: tuple[str, ...]
    tokens: Mapping[str, tuple[int, ...]]
    notices: tuple[str, ...]

    def rank_of(self, module: str) -> int:
        """Return the rank of the factors of `module`."""
        return self.ranks.get(module, self.rank)

    def scale_of(self, module: str) -> float:
        """Return what the product of the factors of `module` is multiplied by.

        alpha / r (Hu et al. 2021, arXiv:2106.09685), or alpha / sqrt(r) (rsLoRA, arXiv:2312.03732).
        """
        alpha, rank = self.alphas.get(module, self.alpha), self.rank_of(module)
        return alpha / (sqrt(rank) if self.rslora else rank)


def read_settings(config: Json, modules: Sequence[str] = ()) -> Settings:
    """Return the settings in `config` for the base's `modules`.

    Raises ConvertError when one of them cannot be merged or is not known.
    """
    if config.get("peft_type") != "LORA":
        raise ConvertError(f"The adapter is of the type {config.get('peft_type')!r}; only LORA can be merged.")
    notices = _check_fields(config)
    _check_start(config.get("init_lora_weights", True))
    return Settings(
        rank=_rank("r", config.get("r")),
        alpha=_alpha("lora_alpha", config.get("lora_alpha")),
        ranks=_by_module(config, "rank_pattern", _rank, modules),
        alphas=_by_module(config, "alpha_pattern", _alpha, modules),
        rslora=_switch(config, "use_rslora"),
        dora=_switch(config, "use_dora"),
        input_first=_switch(config, "fan_in_fan_out"),
        biased=_switch(config, "lora_bias"),
        ties=_switch(config, "ensure_weight_tying"),
        saved=_names(config, "modules_to_save"),
        tokens=_tokens(config.get("trainable_token_indices")),
        notices=notices,
    )


def _check_fields(config: Json) -> tuple[str, ...]:
    notices = []
    for field, value in config.items():
        if field in REFUSED:
            # An empty list of invocation words makes an aLoRA too: PEFT only asks whether there is a list.
            if value not in (None, False, {}) and (value or field == "alora_invocation_tokens"):
                raise ConvertError(f"The adapter cannot be merged: {REFUSED[field]}.")
        elif field not in KNOWN and field != "init_lora_weights":
            if value not in INACTIVE:
                raise ConvertError(f"The adapter sets {field}, which is not understood, so it cannot be merged safely.")
            notices.append(f"the adapter's configuration has a field that is not known but is off: {field}")
    if config.get("bias") not in (None, "none", "all", "lora_only"):
        raise ConvertError(f"The adapter trained biases in a way that is not known (bias is {config['bias']!r}).")
    return tuple(notices)


def _check_start(start: object) -> None:
    if start in HARMLESS_STARTS:
        return
    kind = next((n for key, n in OTHER_STARTS.items() if isinstance(start, str) and start.lower().startswith(key)), "")
    if not kind:
        raise ConvertError(f"The adapter was started in a way that is not known (init_lora_weights is {start!r}).")
    raise ConvertError(
        f"The adapter cannot be merged: it was started with {kind} (init_lora_weights is {start!r}), which changed "
        "the base in training, so the plain one does not fit it; save it with PEFT's "
        "path_initial_model_for_weight_conversion, or merge it with PEFT into the base it was trained on."
    )


def _by_module(
    config: Json, field: str, read: Callable[[str, object], Value], modules: Sequence[str]
) -> dict[str, Value]:
    """Return what the first pattern of a table that fits a module says of it, for the modules that one fits."""
    stated = config.get(field) or {}
    if not isinstance(stated, dict):
        raise ConvertError(f"The adapter's {field} is not a table.")
    check_patterns(field, stated.keys())
    values = {pattern: read(f"{field} of {pattern}", value) for pattern, value in stated.items()}
    return {module: values[pattern] for module, pattern in first_fits(field, list(values), modules).items()}


def _rank(what: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConvertError(f"The adapter's rank ({what}) is not a whole number above zero.")
    return value


def _alpha(what: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > 3e38 or not isfinite(value):
        raise ConvertError(f"The adapter's {what} is not a number.")
    return float(value)


def _switch(config: Json, field: str) -> bool:
    value = config.get(field) or False
    if not isinstance(value, bool):
        raise ConvertError(f"The adapter's {field} is {value!r}, neither true nor false.")
    return value


def _names(config: Json, field: str) -> tuple[str, ...]:
    names = config.get(field) or []
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ConvertError(f"The adapter's {field} is not a list of names.")
    return tuple(names)


def _tokens(stated: object) -> Mapping[str, tuple[int, ...]]:
    tables: dict[str, Any] = stated if isinstance(stated, dict) else {"": stated or []}
    for numbers in tables.values():
        if not isinstance(numbers, list) or not all(type(n) is int and n >= 0 for n in numbers):
            raise ConvertError("The adapter's trainable_token_indices are not lists of token numbers.")
        if len(set(numbers)) != len(numbers):
            raise ConvertError("The adapter's trainable_token_indices name a token twice.")
    return {module: tuple(numbers) for module, numbers in tables.items() if numbers}
