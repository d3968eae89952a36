"""The command line: one subcommand per verb; never does the work itself."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from convert.errors import ConvertError
from convert.pipeline import Job, Report, make_plan, run
from convert.progress import PROGRESS
from convert.quant.recipes import RECIPES

DONE, FAILED, INTERRUPTED, TERMINATED = 0, 2, 130, 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 2 a sentence on stderr says why not, 130 Ctrl-C."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        options = _parser().parse_args(arguments)
        _gguf(options)
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
    gguf = verbs.add_parser("gguf", help="write a checkpoint, with an adapter merged into it, as GGUF")
    gguf.add_argument("base", type=Path, metavar="BASE", help="folder of a Hugging Face checkpoint in safetensors")
    gguf.add_argument("--adapter", type=Path, metavar="DIR", help="folder of a LoRA adapter saved by PEFT")
    gguf.add_argument("--type", required=True, choices=RECIPES, help="what the weights are stored as")
    gguf.add_argument("--out", required=True, type=Path, metavar="F", help="the file to write")
    gguf.add_argument("--threads", type=_count, default=os.cpu_count() or 1, metavar="N")
    gguf.add_argument("--overwrite", action="store_true", help="replace F if it exists")
    gguf.add_argument("--progress", choices=PROGRESS, default="bar", help="how progress is told on stderr")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 1024")
    return int(text)


def _gguf(options: argparse.Namespace) -> None:
    job = Job(options.base, options.adapter, options.type, options.out, options.threads, options.overwrite)
    report = run(make_plan(job), PROGRESS[options.progress]())
    sys.stdout.write(_summary(report))


def _summary(report: Report) -> str:
    types = ", ".join(f"{number} {name}" for name, number in sorted(report.types.items()))
    merged = f"; adapter merged into {report.merged}" if report.merged else ""
    total = sum(report.types.values())
    return f"Wrote {_shown(str(report.path))} ({report.size / 1e6:,.1f} MB): {total} tensors ({types}){merged}.\n"


def _shown(text: str) -> str:
    """Return `text` as one line that any terminal can show: file and tensor names may hold anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _terminate(_number: int, _frame: object) -> NoReturn:
    # Leaves through every `with` on the way, so that the unfinished file is removed.
    raise SystemExit(TERMINATED)
