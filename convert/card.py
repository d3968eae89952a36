"""Writes a model card from what files, folders and measurements say; never a claim that none of them makes.

What is not known is called "not known". The card is put together by huggingface_hub's ModelCard classes, which stay
off the network here.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from convert.errors import ConvertError
from convert.gguf_in import GgufHeader, read_gguf
from convert.json_file import read_object_if_present
from convert.quant.recipes import recipe_of
from convert.results import Results, read_results
from convert.text_file import write_text

TEMPLATE = Path(__file__).with_name("model_card.md")
UNKNOWN = "not known"
PAPERS = ("license", "licence", "copying", "notice", "use_policy", "use-policy")  # how files' names begin
LARGEST_PAPER = 1 << 22  # bytes
CONTEXT = 4096  # tokens, for the memory that is stated


@dataclass(frozen=True)
class Sources:
    """What is known: the files, and where there are any, the base's and adapter's folders and a measurement."""

    files: tuple[Path, ...]
    base: Path | None = None
    adapter: Path | None = None
    measured: Path | None = None


def write_card(sources: Sources, out: Path, *, overwrite: bool = False) -> list[Path]:
    """Write the card to `out` and the base's papers beside it; return all that was written. Raises ConvertError."""
    headers = [read_gguf(path) for path in sources.files]
    papers = {paper: _paper_text(paper) for paper in (_papers(sources.base) if sources.base else [])}
    copies = {paper: out.absolute().parent / paper.name for paper in papers}
    for paper, copy in copies.items():
        if copy.exists() and not overwrite and copy.read_bytes() != paper.read_bytes():
            raise ConvertError(f"{copy} exists already and says something else; add --overwrite to replace it.")
    write_text(out, make_card(sources, headers, papers))
    for paper, copy in copies.items():
        if not (copy.exists() and copy.samefile(paper)):
            write_text(copy, papers[paper])
    return [out, *copies.values()]


def make_card(sources: Sources, headers: Sequence[GgufHeader], papers: Collection[Path]) -> str:
    """Return the card's text. Raises ConvertError when the measurement is none of ours."""
    first = headers[0]
    base_card = _card_data(sources.base)
    adapter_card = _card_data(sources.adapter)
    results = read_results(sources.measured) if sources.measured else None
    license_ = _line(first.text("general.license")) or _one(base_card.get("license"))
    architecture = first.text("general.architecture")
    embeds = first.embeds
    name = _line(first.text("general.name")) or first.path.stem
    data = ModelCardData(
        base_model=_base_name(first) if "/" in _base_name(first) else None,
        language=base_card.get("language"),
        datasets=_all(adapter_card.get("datasets")) or _all(base_card.get("datasets")) or None,
        license=license_ or None,
        license_name=base_card.get("license_name"),
        license_link=base_card.get("license_link"),
        library_name="gguf",
        pipeline_tag="sentence-similarity" if embeds else "text-generation",
        tags=["gguf", "llama.cpp", *sorted({_kind(header) for header in headers})],
        model_name=name,
        eval_results=_eval_results(results) if results else None,
    )
    policy = [paper.name for paper in papers if paper.name.lower().startswith("use")]
    card = ModelCard.from_template(
        data,
        template_str=TEMPLATE.read_text("utf-8"),
        name=name,
        description=_description(first, embeds=embeds),
        made_from=_made_from(first),
        kind=f"{architecture}, {'sentence embeddings' if embeds else 'text generation'}",
        languages=", ".join(_all(base_card.get("language"))) or UNKNOWN,
        license=_license(license_, papers),
        versions=_line(first.text("quietroom.versions")) or UNKNOWN,
        files=_file_table(headers),
        policy="".join(f"- What [{name}]({name}), the base's own policy, rules out.\n" for name in policy).rstrip(),
        first=first.path.name,
        embeds=embeds,
        base_data=", ".join(_all(base_card.get("datasets"))) or UNKNOWN,
        adapter_data=", ".join(_all(adapter_card.get("datasets"))) or _no_adapter_data(first),
        procedure=_procedure(sources.adapter),
        evaluation=_evaluation(results),
        hardware=_hardware(headers, results),
    )
    return str(card.content).rstrip() + "\n"


def _description(header: GgufHeader, *, embeds: bool) -> str:
    does = "turns sentences into vectors" if embeds else "writes text"
    adapter = f", with {_joined(_adapters(header))} merged into it" if _adapters(header) else ""
    size = _line(header.text("general.size_label"))
    return f"A model that {does}{f' ({size} weights)' if size else ''}: {_base_name(header)}{adapter}, for llama.cpp."


def _base_name(header: GgufHeader) -> str:
    names = (header.text(key) for key in ("quietroom.base.name", "general.basename", "general.name"))
    return next((_line(name) for name in names if name), UNKNOWN)


def _adapters(header: GgufHeader) -> list[str]:
    names = header.metadata.get("quietroom.adapter.names")
    return [_line(name) for name in names] if isinstance(names, list) else []


def _no_adapter_data(header: GgufHeader) -> str:
    # Only a file that we made says for certain that nothing was merged into it.
    ours = "quietroom.base.name" in header.metadata
    return "no adapter" if ours and not _adapters(header) else UNKNOWN


def _made_from(header: GgufHeader) -> str:
    revision = _line(header.text("quietroom.base.revision"))
    base = _base_name(header) + (f" at {revision}" if revision else "")
    return _joined([base, *(f"the adapter {name}" for name in _adapters(header))])


def _license(name: str, papers: Collection[Path]) -> str:
    links = ", ".join(f"[{paper.name}]({paper.name})" for paper in papers)
    return (name or UNKNOWN) + (f"; see {links}" if links else "")


def _file_table(headers: Sequence[GgufHeader]) -> str:
    lines = ["| file | type | MB | SHA-256 |", "|---|---|---|---|"]
    for header in headers:
        with header.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = header.path.stat().st_size / 1e6
        lines.append(f"| {header.path.name} | {_kind(header)} | {size:,.1f} | `{digest}` |")
    return "\n".join(lines)


def _kind(header: GgufHeader) -> str:
    recipe = recipe_of(header.count("general.file_type"))
    return recipe.name if recipe else "other"


def _procedure(adapter: Path | None) -> str:
    config = read_object_if_present(adapter / "adapter_config.json") if adapter else {}
    if not config:
        return UNKNOWN
    targets = config.get("target_modules")
    where = ", ".join(sorted(map(str, targets))) if isinstance(targets, list) else str(targets)
    rank, alpha = config.get("r", UNKNOWN), config.get("lora_alpha", UNKNOWN)
    return f"{config.get('peft_type', 'LORA')} of rank {rank} and alpha {alpha} on {where}; more is {UNKNOWN}."


def _eval_results(results: Results) -> list[EvalResult]:
    return [
        EvalResult(
            "text-generation", "text", _line(results.text), "perplexity", row.perplexity[0],
            metric_name=f"perplexity, {_line(row.name)}",
        )
        for row in results.files.values()
    ]  # fmt: skip


def _evaluation(results: Results | None) -> str:
    if results is None:
        return f"Results on texts: {UNKNOWN}."
    lines = ["| file | type | perplexity | ratio | divergence | same top token |", "|---|---|---|---|---|---|"]
    for row in results.files.values():
        cells = [_line(row.name), _line(row.kind), _pair(row.perplexity, 4), _pair(row.ratio, 4)]
        cells += [_pair(row.divergence, 5), f"{row.same_top[0]:.1%}" if row.same_top else ""]
        lines.append(f"| {' | '.join(cells)} |")
    against = (
        f", against {_line(results.reference)} (mean Kullback-Leibler divergence in nats)" if results.reference else ""
    )
    how = f"Measured on {results.scored:,} tokens of {_line(results.text)} in chunks of {results.context}"
    return "\n".join([*lines, "", f"{how}{against}. How well it helps a person was not measured."])


def _hardware(headers: Sequence[GgufHeader], results: Results | None) -> str:
    lines = [
        "| file | memory at a context of 4,096 tokens, about | tokens read and written per second |",
        "|---|---|---|",
    ]
    for header in headers:
        speed = UNKNOWN
        if results and (row := results.files.get(header.path.name)):
            speed = f"{row.reading:.0f} and {row.writing:.1f} with {results.threads} threads"
        lines.append(f"| {header.path.name} | {_memory(header) / 1e9:.1f} GB | {speed} |")
    return "\n".join([*lines, "", "Any processor that llama.cpp runs on; no graphics card is needed."])


def _memory(header: GgufHeader) -> int:
    """Return bytes: the file, a cache of 16-bit keys and values, and 256 MB of working room."""
    architecture = header.text("general.architecture")
    layers, heads, width = (
        header.count(f"{architecture}.{key}") for key in ("block_count", "attention.head_count", "embedding_length")
    )
    kv_heads = header.count(f"{architecture}.attention.head_count_kv") or heads
    head = header.count(f"{architecture}.attention.key_length") or width // max(heads, 1)
    return header.path.stat().st_size + 4 * layers * kv_heads * head * CONTEXT + (1 << 28)


def _pair(estimate: tuple[float, float] | None, digits: int) -> str:
    return f"{estimate[0]:.{digits}f} ± {estimate[1]:.{digits}f}" if estimate else ""


def _card_data(folder: Path | None) -> dict[str, Any]:
    """Return what the card in `folder` says in its head, or nothing. Raises ConvertError when that is no YAML."""
    path = folder / "README.md" if folder else None
    if path is None or not path.exists():
        return {}
    try:
        return dict(ModelCard.load(path, ignore_metadata_errors=True).data.to_dict())
    except (ValueError, OSError, yaml.YAMLError) as error:
        raise ConvertError(f"The head of {path} cannot be read.") from error


def _papers(base: Path) -> list[Path]:
    if not base.is_dir():
        raise ConvertError(f"{base} is not a folder.")
    return sorted(p for p in base.iterdir() if p.is_file() and p.name.lower().startswith(PAPERS))


def _paper_text(paper: Path) -> str:
    try:
        if paper.stat().st_size > LARGEST_PAPER:
            raise ConvertError(f"{paper} is too large for a licence.")
        return paper.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConvertError(f"{paper} cannot be read as text.") from error


def _line(text: str) -> str:
    """Return a name out of a file as one line that cannot be taken for markup."""
    return "".join(letter for letter in text if letter.isprintable() and letter not in "<>|`[]")


def _all(value: object) -> list[str]:
    if isinstance(value, str):
        return [_line(value)]
    return [_line(str(item)) for item in value] if isinstance(value, list) else []


def _one(value: object) -> str:
    return next(iter(_all(value)), "")


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1] if names else UNKNOWN
