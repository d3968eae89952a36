"""From an adapter's tensors to what they do to each weight of the base; never adds anything up."""

from collections.abc import Iterable, Mapping

from convert.errors import ConvertError
from convert.lora.changes import Change, Factor, Product, Rows, Shift
from convert.lora.keys import Key, Part, ends_with, module_of, parse
from convert.lora.settings import Settings
from convert.tensors import FLOAT_DTYPES, Shape, TensorInfo, TensorSource, listing, shape_text

Parts = dict[Part, str]


def read_changes(source: TensorSource, settings: Settings, weights: Mapping[str, TensorInfo]) -> dict[str, Change]:
    """Return what an adapter does to each of `weights`. Raises ConvertError unless each of its tensors has its use."""
    parts = _sorted_out(source, settings, weights)
    _check_saved(settings, parts, weights)
    straight = _is_straight(source, parts, weights, settings)
    return {
        name: _change(name, found, source, settings, weights[name], straight=straight) for name, found in parts.items()
    }


def _sorted_out(source: TensorSource, settings: Settings, weights: Mapping[str, TensorInfo]) -> dict[str, Parts]:
    """Return the adapter's tensors by weight and part."""
    parts: dict[str, Parts] = {}
    unknown = []
    for key in map(parse, source.tensors):
        found = parts.setdefault(key.weight, {})
        belongs = f"{module_of(key.weight)}.weight" if key.part is Part.BIAS else key.weight
        if belongs not in weights or not _is_asked_for(key, settings):
            unknown.append(key.name)
        elif key.part in found:
            raise ConvertError(f"The adapter has two tensors for one purpose: {found[key.part]} and {key.name}.")
        found[key.part] = key.name
    if unknown:
        raise ConvertError(f"The adapter has tensors that fit nothing in the base: {listing(unknown)}.")
    if not parts:
        raise ConvertError("The adapter holds no tensors, so there is nothing to merge.")
    for name, info in source.tensors.items():
        if info.dtype not in FLOAT_DTYPES:
            raise ConvertError(f"The adapter's tensor {name} has the dtype {info.dtype}, not a float.")
        if not info.values:
            raise ConvertError(
                f"The adapter's tensor {name} is empty: it was saved without the parts on other processors "
                "(DeepSpeed ZeRO-3 or FSDP); save the adapter again with the parts gathered."
            )
    for name, found in parts.items():
        if Part.BIAS in found and name not in weights:
            raise ConvertError(f"The adapter has a bias for {module_of(name)} (lora_bias), but the layer has none.")
    return parts


def _is_asked_for(key: Key, settings: Settings) -> bool:
    """Whether the configuration knows of such a tensor; PEFT would leave it out without a word."""
    return {Part.MAGNITUDE: settings.dora, Part.BIAS: settings.biased, Part.ROWS: bool(settings.tokens)}.get(
        key.part, True
    )


def _check_saved(settings: Settings, parts: Mapping[str, Parts], weights: Iterable[str]) -> None:
    """Check that the modules said to be trained in full were saved."""
    for ending in settings.saved:
        of_base = [name for name in weights if ends_with(module_of(name), (ending,))]
        if missing := [name for name in of_base if Part.WHOLE not in parts.get(name, {})]:
            raise ConvertError(
                f"The adapter says that it was trained on {ending} in full (modules_to_save), but it holds no "
                f"{listing(missing)}; save it again with PEFT."
            )


def _is_straight(
    source: TensorSource, parts: Mapping[str, Parts], weights: Mapping[str, TensorInfo], settings: Settings
) -> bool:
    """Whether linear weights lie outputs first. Inputs first is how transformers' Conv1D (GPT-2) stores them.

    fan_in_fan_out says so, but PEFT ignores it where a layer is torch's Linear; the shapes tell which it is. Where
    every weight is square they cannot, and the layers are Linear, as in every architecture that is known here.
    """
    if not settings.input_first:
        return True
    return all(
        source.tensors[found[Part.A]].shape[1:] == weights[name].shape[1:]
        and source.tensors[found[Part.B]].shape[:1] == weights[name].shape[:1]
        for name, found in parts.items()
        if Part.A in found and Part.B in found
    )


def _change(
    name: str, found: Parts, source: TensorSource, settings: Settings, weight: TensorInfo, *, straight: bool
) -> Change:
    whole = found.get(Part.WHOLE)
    if whole:
        _check_whole(source.tensors[whole], weight)
        # The rows of a vocabulary that grew in training.
        weight = TensorInfo(name, weight.dtype, source.tensors[whole].shape)
    bias = found.get(Part.BIAS)
    if bias:
        _check_shape(source.tensors[bias], weight.shape, weight)
    return Change(
        whole=whole,
        trained=whole is not None and ends_with(module_of(name), settings.saved),
        product=_product(name, found, source, settings, weight, straight=straight),
        rows=_rows(name, found, source, settings, weight),
        shift=Shift(bias, settings.scale_of(module_of(name))) if bias else None,
    )


def _product(
    name: str, found: Parts, source: TensorSource, settings: Settings, weight: TensorInfo, *, straight: bool
) -> Product | None:
    embedded = Part.EMBEDDING_A in found or Part.EMBEDDING_B in found
    a, b = (Part.EMBEDDING_A, Part.EMBEDDING_B) if embedded else (Part.A, Part.B)
    factors = [found[part] for part in (a, b, Part.MAGNITUDE) if part in found]
    if not factors:
        return None
    if len(factors) != 2 + settings.dora or (embedded and (Part.A in found or Part.B in found)):
        needed = "two factors and the magnitude of DoRA" if settings.dora else "two factors"
        raise ConvertError(f"The adapter does not have just the {needed} for {name}, but {listing(factors)}.")
    turned = embedded or not straight
    rank, outer = settings.rank_of(module_of(name)), weight.shape[::-1] if turned else weight.shape
    shapes = source.tensors[found[a]].shape, source.tensors[found[b]].shape
    if len(outer) != 2 or shapes != ((rank, outer[1]), (outer[0], rank)):
        raise ConvertError(
            f"The adapter does not fit the base at {name} ({shape_text(weight.shape)}): its factors "
            f"are {shape_text(shapes[1])} and {shape_text(shapes[0])} with rank {rank}."
        )
    magnitude = found.get(Part.MAGNITUDE)
    if magnitude and source.tensors[magnitude].values != outer[0]:
        raise ConvertError(f"The adapter's magnitude for {name} is not one number for each of {outer[0]} outputs.")
    # Turned: the transpose of B @ A is A transposed @ B transposed.
    left, right = (a, b) if turned else (b, a)
    return Product(
        Factor(found[left], turned),
        Factor(found[right], turned),
        settings.scale_of(module_of(name)),
        magnitude,
        by_column=turned,
    )


def _rows(name: str, found: Parts, source: TensorSource, settings: Settings, weight: TensorInfo) -> Rows | None:
    key = found.get(Part.ROWS)
    if key is None:
        return None
    module = module_of(name)
    # A head that shares the embedding's matrix is saved with the embedding's rows and not named in the table.
    tables = [numbers for ending, numbers in settings.tokens.items() if module.endswith(ending)]
    numbers = (tables or list(settings.tokens.values()))[0]
    _check_shape(source.tensors[key], (len(numbers), *weight.shape[1:]), weight)
    if max(numbers) >= weight.shape[0]:
        raise ConvertError(f"The adapter trains the token {max(numbers)}, but {name} has {weight.shape[0]} rows only.")
    return Rows(key, numbers)


def _check_whole(found: TensorInfo, weight: TensorInfo) -> None:
    """Check that a weight may take another's place: all but the rows of a matrix must agree."""
    if len(found.shape) != len(weight.shape) or found.shape[1:] != weight.shape[1:]:
        _check_shape(found, weight.shape, weight)
    if len(weight.shape) == 1:
        _check_shape(found, weight.shape, weight)


def _check_shape(found: TensorInfo, needed: Shape, weight: TensorInfo) -> None:
    if found.shape != needed:
        raise ConvertError(
            f"The adapter's tensor {found.name} is {shape_text(found.shape)}, but {weight.name} in the base needs "
            f"{shape_text(needed)}."
        )
