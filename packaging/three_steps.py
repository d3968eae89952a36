"""The usual steps that `quietroom-convert bench` compares with, run by the reference environment's own Python.

`merge BASE ADAPTER OUT` is PEFT's merge_and_unload; `convert FOLDER OUT` is llama.cpp's convert_hf_to_gguf.py to F16.
Never imported, and no part of the program.
"""

import runpy
import sys
from pathlib import Path


def merge(base: str, adapter: str, out: str) -> None:
    """Load, merge and save as most guides say: in bfloat16."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(out)
    for name in ("tokenizer.model", "tokenizer_config.json"):
        (Path(out) / name).write_bytes((Path(base) / name).read_bytes())


def convert(folder: str, out: str) -> None:
    """Run the converter script."""
    script = Path(__file__).parent / "llama.cpp" / "convert_hf_to_gguf.py"
    sys.argv = [str(script), folder, "--outfile", out, "--outtype", "f16"]
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    {"merge": merge, "convert": convert}[sys.argv[1]](*sys.argv[2:])
