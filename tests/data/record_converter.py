"""Records what llama.cpp's own converter writes for the tiny checkpoints: `python record_converter.py LLAMA_CPP`.

Needs llama.cpp's source folder and what its converter needs (torch, transformers, sentencepiece); writes
converter.json beside this file: the metadata with the types of its values, the tensors by SHA-256. Long lists are
kept as the SHA-256 of their JSON. Recorded with llama.cpp as inside llama-cpp-python 0.3.36, torch 2.13.0,
transformers 4.57.6.

One thing is changed in the converter: it refuses vocabularies that nobody has registered with it, as the tiny ones,
so they are registered here, by the name of their definition. The hash that it computes is recorded, too.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
TYPES = ("f32", "f16", "bf16", "q8_0")
NAMES = {
    "SmolCalm2-135M-Instruct": "smollm",
    "Meta-Llama-3.1-8B-Instruct-calm": "llama-bpe",
    "all-calm-L2-v1": "default",
}
LONG = 20


class Tokenizer(Protocol):
    """What the converter hands over."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, with those that are added to it."""
        ...


def convert(llama_cpp: Path, folder: Path, kind: str, target: Path) -> None:
    """Run the converter on `folder` in this process, with the tiny vocabularies known to it."""
    sys.path[:0] = [str(llama_cpp), str(llama_cpp / "gguf-py")]
    import conversion.base

    def name_of(_self: object, tokenizer: Tokenizer) -> str:
        text = json.loads((REPOSITORY / "convert" / "vocab" / "pre_tokenizers.json").read_text())["check_text"]
        digest = hashlib.sha256(str(tokenizer.encode(text)).encode()).hexdigest()
        target.with_suffix(".hash").write_text(digest)
        return NAMES.get(folder.name, "qwen2")

    conversion.base.TextModel.get_vocab_base_pre = name_of
    sys.argv = ["convert_hf_to_gguf.py", str(folder), "--outtype", kind, "--outfile", str(target)]
    import convert_hf_to_gguf

    convert_hf_to_gguf.main()


def read(llama_cpp: Path, path: Path) -> dict[str, Any]:
    """Return the metadata and the tensors of a file, and the hash beside it."""
    sys.path.insert(0, str(llama_cpp / "gguf-py"))
    import gguf

    reader = gguf.GGUFReader(path)
    metadata = {}
    for key, field in reader.fields.items():
        if not key.startswith("GGUF."):
            value = field.contents()
            if isinstance(value, list) and len(value) > LONG:
                value = hashlib.sha256(json.dumps(value).encode()).hexdigest()
            metadata[key] = [[kind.name for kind in field.types], value]
    tensors = {
        tensor.name: [
            tensor.tensor_type.name,
            [int(length) for length in reversed(tensor.shape)],
            hashlib.sha256(tensor.data.tobytes()).hexdigest(),
        ]
        for tensor in reader.tensors
    }
    beside = path.with_suffix(".hash")
    return {"metadata": metadata, "tensors": tensors, "hash": beside.read_text() if beside.exists() else None}


def main(llama_cpp: Path) -> None:
    """Convert every tiny checkpoint to every type, each in a process of its own, and write what came out."""
    from support.tiny_families import FAMILIES, write_family

    recorded: dict[str, Any] = {}
    with TemporaryDirectory() as parent:
        for name in FAMILIES:
            folder = write_family(Path(parent), name)
            for kind in TYPES:
                target = Path(parent) / f"{kind}.gguf"
                subprocess.run([sys.executable, __file__, str(llama_cpp), str(folder), kind, str(target)], check=True)
                found = read(llama_cpp, target)
                entry = recorded.setdefault(name, {"hash": found["hash"], "metadata": found["metadata"], "tensors": {}})
                entry["tensors"][kind.upper()] = found["tensors"]
                entry["metadata"]["general.file_type"] = [["UINT32"], "as asked for"]
                target.with_suffix(".hash").unlink(missing_ok=True)
    text = json.dumps(recorded, indent=1, ensure_ascii=False)
    (HERE / "converter.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests"), str(Path(sys.argv[1]) / "gguf-py")]
        main(Path(sys.argv[1]))
    else:
        convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
