"""Records what llama.cpp's own tools say about the tiny model: run once, by hand, from the project's folder.

    PYTHONPATH=tests python tests/data/make_llama_tools.py BUILD

BUILD holds llama-perplexity, llama-imatrix and llama-quantize, built from the source tree inside llama-cpp-python
0.3.36 (commit 0c1e57098) against its installed libraries. Writes llama_tools.json, tiny_imatrix.gguf and
tiny_imatrix.dat beside this file. The text is the project's LICENSE. Never needed to run the tests.
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from support.tiny_model import tiny_gguf

HERE = Path(__file__).parent
CONTEXT = 128
FILES = ("F32", "F16", "Q4_0")


def main(build: Path) -> None:
    """Run the tools and write what they say."""
    text = Path("LICENSE")
    with TemporaryDirectory() as name:
        folder = Path(name)
        models = {kind: tiny_gguf(folder / f"{kind}.gguf", kind) for kind in FILES}

        def tool(program: str, *arguments: object) -> str:
            command = [build / f"llama-{program}", "-f", text, "-c", CONTEXT, "-t", 1, *arguments]
            run = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
            return run.stdout + run.stderr

        for ending in ("gguf", "dat"):
            out = HERE / f"tiny_imatrix.{ending}"
            tool("imatrix", "-m", models["F32"], "-o", out, "--output-format", ending)
        perplexity = {kind: pair(r"PPL = (\S+) \+/- (\S+)", tool("perplexity", "-m", models[kind])) for kind in FILES}
        logits = folder / "logits"
        tool("perplexity", "-m", models["F32"], "--kl-divergence-base", logits)
        compared = tool("perplexity", "-m", models["Q4_0"], "--kl-divergence-base", logits, "--kl-divergence")
    found = {
        "source": "llama.cpp 0c1e57098, tools/perplexity and tools/imatrix",
        "text_sha256": hashlib.sha256(text.read_bytes()).hexdigest(),
        "context": CONTEXT,
        "perplexity": perplexity,
        "Q4_0 against F32": {
            "divergence": pair(r"Mean +KLD: +(\S+) ± +(\S+)", compared),
            "same_top": pair(r"Same top p: +(\S+) ± +(\S+) %", compared),
        },
    }
    (HERE / "llama_tools.json").write_text(json.dumps(found, indent=1) + "\n")


def pair(pattern: str, text: str) -> list[float]:
    """Return a value and its error."""
    match = re.search(pattern, text)
    assert match, text
    return [float(match[1]), float(match[2])]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
