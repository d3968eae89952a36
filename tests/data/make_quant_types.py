"""Extracts what types llama.cpp gives the tensors of real models, from its snapshots: run once, by hand.

    python make_quant_types.py LLAMA_CPP > quant_types.json

LLAMA_CPP is the source tree inside llama-cpp-python 0.3.36 (commit 0c1e57098); its tests/snapshots/*.schema list,
for each file type, the default and the tensors that differ. The names and shapes of the tensors are the
architectures' own. Never needed to run the tests.
"""

import json
import sys
from pathlib import Path

# Model: (snapshot, is a 70B to llama.cpp, size of a head)
MODELS = {
    "Llama-3.1-70B": ("meta-llama-3.1-70b-instruct", True, 128),
    "Qwen3-0.6B": ("qwen3-0.6b", False, 128),
    "Qwen3-14B": ("qwen3-14b", False, 128),
}
RECIPES = (
    *("F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L"),
    *("Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS"),
)


def main(folder: Path) -> None:
    """Write the extract of the tree in `folder` to stdout."""
    models = {name: model(folder / "tests/snapshots" / f"{row[0]}.schema", *row[1:]) for name, row in MODELS.items()}
    source = "llama.cpp 0c1e57098, tests/snapshots"
    json.dump({"source": source, "models": models}, sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")


def model(path: Path, is_70b: bool, head: int) -> dict[str, object]:
    """Return one snapshot as sizes, tensors and types."""
    lines = path.read_text().splitlines()
    sizes = dict(part.split("=") for part in lines[1].removeprefix("# ").split(", "))
    width, inner, layers, heads, kv = (int(sizes[key]) for key in ("n_embd", "n_ff", "n_layer", "n_head", "n_head_kv"))
    tensors = {"token_embd.weight": (int(sizes["n_vocab"]), width), "output.weight": (int(sizes["n_vocab"]), width)}
    for layer in range(layers):
        block = {
            "attn_q": (heads * head, width),
            "attn_k": (kv * head, width),
            "attn_v": (kv * head, width),
            "attn_output": (width, heads * head),
            "ffn_gate": (inner, width),
            "ffn_up": (inner, width),
            "ffn_down": (width, inner),
        }
        tensors |= {f"blk.{layer}.{name}.weight": shape for name, shape in block.items()}
    types: dict[str, dict[str, object]] = {}
    differing: dict[str, str] = {}
    for line in lines[2:]:
        if line.startswith("["):
            name, default = line[1:].split("] ")
            differing = {}
            types[name] = {"default": default.upper(), "except": differing}
        elif line:
            tensor, kind = line.split()
            differing[tensor] = kind.upper()
    kept = {name: types[name] for name in RECIPES if name in types}
    return {
        "layers": layers, "heads": heads, "kv_heads": kv, "is_70b": is_70b, "tensors": tensors, "types": kept
    }  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
