"""The command line: one subcommand per verb; never does the work itself."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from convert.adapter_out import write_adapter
from convert.apart import run_apart
from convert.errors import ConvertError
from convert.merging import PRECISIONS, AdapterChoice, parse_choice
from convert.pipeline import Job, Report, foresee, make_plan, run
from convert.progress import PROGRESS
from convert.quant.overrides import parse_override
from convert.quant.recipes import RECIPES
from convert.text_file import check_place, write_text
from convert.verify import compare, verify

DONE, FAILED, INTERRUPTED, TERMINATED = 0, 2, 130, 143


def main(arguments: Sequence[str] | None = None, *, within: bool = False) -> int:
    """Run the command and return its exit code: 0 done, 2 a sentence on stderr says why not, 130 Ctrl-C.

    A verb that computes with llama.cpp runs in a child of this process, which is the one that is `within`.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        arguments = sys.argv[1:] if arguments is None else arguments
        options = _parser().parse_args(arguments)
        if options.run in APART and not within:
            return run_apart(arguments, (DONE, FAILED, INTERRUPTED, TERMINATED))
        options.run(options)
    except ConvertError as error:
        sys.stderr.write(f"{_shown(str(error))}\n")
        return FAILED
    except MemoryError:
        sys.stderr.write("There was not enough memory; fewer --threads need less. Nothing was kept.\n")
        return FAILED
    except KeyboardInterrupt as error:
        sys.stderr.write(_shown("; ".join(["Stopped", *map(str, error.args)])) + ".\n")
        return INTERRUPTED
    return DONE


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConvertError(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="quietroom-convert", description="Turn a checkpoint into a GGUF file.", allow_abbrev=False)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_fetch(verbs.add_parser("fetch", help="bring a base or an adapter from the Hugging Face hub into its cache"))
    plan = verbs.add_parser("plan", help="say what gguf would do: tensors, types, sizes, memory, time")
    plan.set_defaults(run=_plan)
    _add_job(plan)
    gguf = verbs.add_parser("gguf", help="write a checkpoint, with an adapter merged into it, as GGUF")
    gguf.set_defaults(run=_gguf)
    _add_job(gguf)
    gguf.add_argument("--out", required=True, type=Path, metavar="F", help="the file to write")
    gguf.add_argument("--overwrite", action="store_true", help="replace F if it exists")
    gguf.add_argument("--progress", choices=PROGRESS, default="bar", help="how progress is told on stderr")
    adapter = verbs.add_parser("adapter", help="write an adapter alone as GGUF, for llama.cpp to apply to its base")
    adapter.add_argument("base", type=Path, metavar="BASE", help="folder of the checkpoint that it belongs to")
    adapter.add_argument("adapter", type=Path, metavar="A", help="folder of a LoRA adapter saved by PEFT")
    adapter.add_argument("--out", required=True, type=Path, metavar="F", help="the file to write")
    adapter.add_argument("--overwrite", action="store_true", help="replace F if it exists")
    adapter.set_defaults(run=_adapter)
    _add_verify(verbs.add_parser("verify", help="tell whether a GGUF file is whole and works"))
    _add_imatrix(verbs.add_parser("imatrix", help="make an importance matrix from text"))
    _add_measure(verbs.add_parser("measure", help="tell how well files stand for the model they were made from"))
    _add_card(verbs.add_parser("card", help="write a model card from what is known and measured"))
    _add_bench(verbs.add_parser("bench", help="measure the conversion against llama.cpp's own and the usual steps"))
    return parser


def _add_sources(parser: argparse.ArgumentParser) -> None:
    """What a file is made from, besides its base."""
    parser.add_argument(
        "--adapter", type=_choice, action="append", default=[], metavar="DIR[:W]",
        help="folder of a LoRA adapter saved by PEFT, and how much of it to add (1 is all); may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--base-precision",
        choices=PRECISIONS,
        help="nf4: round the base as QLoRA training did; else as the adapter's folder says, or as it is",
    )
    parser.add_argument("--imatrix", type=Path, metavar="I", help="an importance matrix, as `imatrix` makes it")
    parser.add_argument(
        "--tensor-type", type=parse_override, action="append", default=[], metavar="PATTERN=T",
        help="another type for the tensors whose name holds PATTERN; may be given several times",
    )  # fmt: skip


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="F", help="the GGUF file to look at")
    parser.add_argument("--against", type=Path, metavar="BASE", help="make it again from BASE and compare")
    _add_sources(parser)
    parser.add_argument("--threads", type=_count, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--progress", choices=PROGRESS, default="bar")
    parser.set_defaults(run=_verify)


def _add_text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--text", required=True, type=Path, metavar="T", help="a text in UTF-8")
    parser.add_argument("--context", type=_context, default=512, metavar="N", help="tokens in a chunk of text (512)")
    parser.add_argument("--chunks", type=_chunks, metavar="N", help="read the first N chunks only")
    parser.add_argument("--threads", type=_count, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--overwrite", action="store_true", help="replace what is written if it exists")
    parser.add_argument("--progress", choices=PROGRESS, default="bar", help="how progress is told on stderr")


def _add_imatrix(imatrix: argparse.ArgumentParser) -> None:
    imatrix.add_argument("file", type=Path, metavar="F", help="the model as GGUF, best in F16 or Q8_0")
    imatrix.add_argument("--out", required=True, type=Path, metavar="I", help="the file to write")
    _add_text(imatrix)
    imatrix.set_defaults(run=_imatrix)


def _add_measure(measure: argparse.ArgumentParser) -> None:
    measure.add_argument("files", type=Path, nargs="+", metavar="F", help="the GGUF files to measure")
    measure.add_argument("--reference", type=Path, metavar="G", help="the same model in more bits, to compare with")
    measure.add_argument("--reference-adapter", type=Path, metavar="A", help="an adapter as GGUF, added to it unmerged")
    measure.add_argument("--json", type=Path, metavar="J", help="write the measurement as JSON too")
    measure.add_argument("--plot", type=Path, metavar="SVG", help="draw quality against size")
    _add_text(measure)
    measure.set_defaults(run=_measure)


def _add_card(card: argparse.ArgumentParser) -> None:
    card.add_argument("files", type=Path, nargs="+", metavar="F", help="the GGUF files that the card is for")
    card.add_argument("--out", required=True, type=Path, metavar="README.md", help="the file to write")
    card.add_argument("--base", type=Path, metavar="DIR", help="the base's folder: its card, licence and policy")
    card.add_argument("--adapter", type=Path, metavar="DIR", help="the adapter's folder")
    card.add_argument("--measured", type=Path, metavar="J", help="what `measure --json` wrote")
    card.add_argument("--overwrite", action="store_true", help="replace what is written if it exists")
    card.set_defaults(run=_card)


def _add_job(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("base", type=Path, metavar="BASE", help="folder of a Hugging Face checkpoint in safetensors")
    _add_sources(verb)
    verb.add_argument("--type", required=True, choices=RECIPES, help="what the weights are stored as")
    verb.add_argument("--threads", type=_count, default=os.cpu_count() or 1, metavar="N")


def _add_fetch(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(run=_fetch)
    verb.add_argument("repository", metavar="REPO", help="such as NousResearch/Llama-2-7b-chat-hf")
    verb.add_argument("--revision", metavar="R", help="a commit, branch or tag; the commit taken is printed")
    verb.add_argument("--adapter", action="store_true", help="REPO is an adapter, not a base")


def _add_bench(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(run=_bench)
    verb.add_argument("--json", type=Path, metavar="F", help="write the figures there as well")
    verb.add_argument("--shape", choices=("7b", "tiny"), default="7b", help="Llama-2-7B's; tiny: to try bench itself")
    verb.add_argument("--layers", type=_count, default=4, metavar="N", help="layers of it; all of 7B's are 32")
    verb.add_argument("--pairs", type=_count, default=3, metavar="N", help="measure each thing N times by turns (3)")
    verb.add_argument("--threads", type=_count, default=os.cpu_count() or 1, metavar="N")
    verb.add_argument("--folder", type=Path, default=Path("build/bench"), metavar="DIR", help="where the files go")
    verb.add_argument("--reference-env", type=Path, metavar="DIR", help="made by `make bench-reference`")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 1024")
    return int(text)


def _choice(text: str) -> AdapterChoice:
    try:
        return parse_choice(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _adapter(options: argparse.Namespace) -> None:
    written = write_adapter(options.base, options.adapter, options.out, overwrite=options.overwrite)
    sys.stdout.write(f"Wrote {_shown(str(options.out))}: an adapter for {written.pairs} weights.\n")
    sys.stdout.writelines(f"Note: {_shown(notice)}.\n" for notice in written.notices)


def _context(text: str) -> int:
    if not text.isdecimal() or not 32 <= int(text) <= 1 << 20:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 32 to {1 << 20}")
    return int(text)


def _chunks(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1 << 30:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return int(text)


def _gguf(options: argparse.Namespace) -> None:
    report = run(make_plan(_job(options, options.base, options.type, options.out)), PROGRESS[options.progress]())
    sys.stdout.write(_summary(report))
    sys.stdout.writelines(f"Note: {_shown(notice)}\n" for notice in report.notices)


def _job(options: argparse.Namespace, base: Path, recipe: str, out: Path) -> Job:
    return Job(
        base, tuple(options.adapter), recipe, out, options.threads, getattr(options, "overwrite", False),
        base_precision=options.base_precision, importance=options.imatrix, overrides=tuple(options.tensor_type),
    )  # fmt: skip


def _verify(options: argparse.Namespace) -> None:
    found = verify(options.file, options.threads)
    if options.against:

        def convert(recipe: str, out: Path) -> None:
            run(make_plan(_job(options, options.against, recipe, out)), PROGRESS[options.progress]())

        found.append(compare(options.file, convert))
    sys.stdout.write(f"{_shown(str(options.file))} is sound: {_shown('; '.join(found))}.\n")


# llama.cpp and the hub's library are loaded by the verbs that need them alone.


def _imatrix(options: argparse.Namespace) -> None:
    from convert import imatrix

    check_place(options.out, overwrite=options.overwrite)
    progress = PROGRESS[options.progress]()
    collected = imatrix.collect(options.file, options.text, progress, options.threads, options.context, options.chunks)
    size = imatrix.write(collected, options.out, options.text.name, options.context)
    told = f"{len(collected.sums)} weights, {collected.chunks} chunks of {options.context} tokens"
    sys.stdout.write(f"Wrote {_shown(str(options.out))} ({size / 1e6:,.1f} MB): {told}.\n")


def _measure(options: argparse.Namespace) -> None:
    from convert import measure

    if options.reference_adapter and not options.reference:
        raise ConvertError("--reference-adapter needs a --reference that it is added to.")
    for path in (options.json, options.plot):
        if path:
            check_place(path, overwrite=options.overwrite)
    request = measure.Request(
        tuple(options.files), options.reference, options.text, options.threads, options.context, options.chunks,
        options.reference_adapter,
    )  # fmt: skip
    measurement = measure.measure(request, PROGRESS[options.progress]())
    if options.json:
        write_text(options.json, json.dumps(measure.as_json(measurement), indent=1) + "\n")
    if options.plot:
        write_text(options.plot, measure.plot(measurement))
    sys.stdout.write("".join(f"{_shown(line)}\n" for line in measure.table(measurement).splitlines()))


# llama.cpp may end the process that it computes in.
APART = (_imatrix, _measure)


def _card(options: argparse.Namespace) -> None:
    from convert import card

    check_place(options.out, overwrite=options.overwrite)
    sources = card.Sources(tuple(options.files), options.base, options.adapter, options.measured)
    written = card.write_card(sources, options.out, overwrite=options.overwrite)
    sys.stdout.write(f"Wrote {_shown(', '.join(str(path) for path in written))}.\n")


def _plan(options: argparse.Namespace) -> None:
    from convert.plan import report

    for line in report(foresee(_job(options, options.base, options.type, Path()))):
        sys.stdout.write(_shown(line) + "\n")


def _fetch(options: argparse.Namespace) -> None:
    from convert.hub import fetch

    fetched = fetch(options.repository, options.revision, adapter=options.adapter)
    sys.stdout.write(
        f"Fetched {_shown(options.repository)} at {_shown(fetched.commit)} ({fetched.size / 1e6:,.1f} MB).\n"
        f"{_shown(str(fetched.folder))}\n"
    )


def _bench(options: argparse.Namespace) -> None:
    from convert.bench.table import Bench, run_bench

    if options.json:
        check_place(options.json, overwrite=True)
    bench = Bench(
        options.folder, options.shape, options.layers, options.threads, options.pairs, options.reference_env
    )  # fmt: skip
    for line in run_bench(bench, options.json):
        sys.stdout.write(_shown(line) + "\n")


def _summary(report: Report) -> str:
    types = ", ".join(f"{number} {name}" for name, number in sorted(report.types.items()))
    merged = f"; adapter merged into {report.merged}" if report.merged else ""
    merged += f"; base rounded to NF4 in {report.rounded}" if report.rounded else ""
    total = sum(report.types.values())
    lines = [f"Wrote {_shown(str(report.path))} ({report.size / 1e6:,.1f} MB): {total} tensors ({types}){merged}."]
    for label, layers in report.norms.items():
        moved = ", ".join(f"{layer} {norm:.4g}" for layer, norm in layers.items())
        nothing = "" if any(layers.values()) else "; it changes nothing"
        lines.append(f"Change by {_shown(label)}, by layer: {_shown(moved)}{nothing}.")
    lines += (f"Note: {_shown(notice)}." for notice in report.notices)
    return "".join(f"{line}\n" for line in lines)


def _shown(text: str) -> str:
    """Return `text` as one line that any terminal can show: file and tensor names may hold anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _terminate(_number: int, _frame: object) -> NoReturn:
    # Leaves through every `with` on the way, so that the unfinished file is removed.
    raise SystemExit(TERMINATED)
