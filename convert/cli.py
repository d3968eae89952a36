"""The command line: one subcommand per verb; never does the work itself."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from convert.adapter_out import write_adapter
from convert.errors import ConvertError
from convert.merging import PRECISIONS, AdapterChoice, parse_choice
from convert.pipeline import Job, Report, make_plan, run
from convert.progress import PROGRESS
from convert.quant.recipes import RECIPES

DONE, FAILED, INTERRUPTED, TERMINATED = 0, 2, 130, 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 2 a sentence on stderr says why not, 130 Ctrl-C."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
    except ConvertError as error:
        sys.stderr.write(f"{_shown(str(error))}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; nothing was written.\n")
        return INTERRUPTED
    return DONE


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConvertError(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="quietroom-convert", description="Turn a checkpoint into a GGUF file.", allow_abbrev=False)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    gguf = verbs.add_parser("gguf", help="write a checkpoint, with an adapter merged into it, as GGUF")
    gguf.add_argument("base", type=Path, metavar="BASE", help="folder of a Hugging Face checkpoint in safetensors")
    gguf.add_argument(
        "--adapter",
        type=_choice,
        action="append",
        default=[],
        metavar="DIR[:W]",
        help="folder of a LoRA adapter saved by PEFT, and how much of it to add (1 is all); may be given again",
    )
    gguf.add_argument(
        "--base-precision",
        choices=PRECISIONS,
        help="nf4: round the base as QLoRA training did; else as the adapter's folder says, or as it is",
    )
    gguf.add_argument("--type", required=True, choices=RECIPES, help="what the weights are stored as")
    gguf.add_argument("--out", required=True, type=Path, metavar="F", help="the file to write")
    gguf.add_argument("--threads", type=_count, default=os.cpu_count() or 1, metavar="N")
    gguf.add_argument("--overwrite", action="store_true", help="replace F if it exists")
    gguf.add_argument("--progress", choices=PROGRESS, default="bar", help="how progress is told on stderr")
    gguf.set_defaults(run=_gguf)
    adapter = verbs.add_parser("adapter", help="write an adapter alone as GGUF, for llama.cpp to apply to its base")
    adapter.add_argument("base", type=Path, metavar="BASE", help="folder of the checkpoint that it belongs to")
    adapter.add_argument("adapter", type=Path, metavar="A", help="folder of a LoRA adapter saved by PEFT")
    adapter.add_argument("--out", required=True, type=Path, metavar="F", help="the file to write")
    adapter.add_argument("--overwrite", action="store_true", help="replace F if it exists")
    adapter.set_defaults(run=_adapter)
    return parser


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


def _gguf(options: argparse.Namespace) -> None:
    job = Job(
        options.base,
        tuple(options.adapter),
        options.type,
        options.out,
        options.threads,
        options.overwrite,
        options.base_precision,
    )
    report = run(make_plan(job), PROGRESS[options.progress]())
    sys.stdout.write(_summary(report))


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
