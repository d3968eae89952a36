"""The command line: one subcommand per verb; never does the work itself."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from convert.errors import ConvertError
from convert.pipeline import Job, Report, foresee, make_plan, run
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
    _add_bench(verbs.add_parser("bench", help="measure the conversion against llama.cpp's own and the usual steps"))
    return parser


def _add_job(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("base", type=Path, metavar="BASE", help="folder of a Hugging Face checkpoint in safetensors")
    verb.add_argument("--adapter", type=Path, metavar="DIR", help="folder of a LoRA adapter saved by PEFT")
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
    verb.add_argument("--layers", type=_count, default=4, metavar="N", help="layers of the 7B shape; all are 32")
    verb.add_argument("--threads", type=_count, default=os.cpu_count() or 1, metavar="N")
    verb.add_argument("--folder", type=Path, default=Path("build/bench"), metavar="DIR", help="where the files go")
    verb.add_argument("--reference-env", type=Path, metavar="DIR", help="made by `make bench-reference`")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 1024")
    return int(text)


def _gguf(options: argparse.Namespace) -> None:
    job = Job(options.base, options.adapter, options.type, options.out, options.threads, options.overwrite)
    report = run(make_plan(job), PROGRESS[options.progress]())
    sys.stdout.write(_summary(report))


def _plan(options: argparse.Namespace) -> None:
    from convert.plan import report

    job = Job(options.base, options.adapter, options.type, Path(), options.threads)
    for line in report(foresee(job)):
        sys.stdout.write(_shown(line) + "\n")


def _fetch(options: argparse.Namespace) -> None:
    from convert.hub import fetch

    fetched = fetch(options.repository, options.revision, adapter=options.adapter)
    sys.stdout.write(
        f"Fetched {_shown(options.repository)} at {_shown(fetched.commit)} ({fetched.size / 1e6:,.1f} MB).\n"
        f"{_shown(str(fetched.folder))}\n"
    )


def _bench(options: argparse.Namespace) -> None:
    from convert.bench.table import run_bench

    for line in run_bench(options.folder, options.layers, options.threads, options.reference_env, options.json):
        sys.stdout.write(_shown(line) + "\n")


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
