"""Records what bitsandbytes makes of small weights on the CPU: the oracle of tests/convert/test_nf4.py.

    python tests/data/record_nf4.py     # rewrites tests/data/nf4; needs torch and bitsandbytes; never run by tests

Each weight goes through quantize_4bit(quant_type="nf4", blocksize=64, compress_statistics=True) and back through
dequantize_4bit, in its own dtype. `codes` holds bitsandbytes' map of 8-bit scales. Versions: nf4/versions.json.
"""

import json
import shutil
from pathlib import Path

import bitsandbytes
import torch
from bitsandbytes.functional import create_dynamic_map, dequantize_4bit, quantize_4bit
from safetensors.torch import save_file

FOLDER = Path(__file__).parent / "nf4"
WEIGHTS = {  # name: rows, columns, dtype, scale
    "f32": (150, 128, torch.float32, 0.02),
    "bf16": (150, 128, torch.bfloat16, 0.02),
    "f16": (70, 192, torch.float16, 0.05),
    "narrow": (36, 48, torch.float32, 1.0),  # blocks do not end with rows
    "ragged": (7, 30, torch.bfloat16, 1.0),  # the last block is not full
    "single": (1, 64, torch.float32, 3.0),
}


def main() -> None:
    torch.manual_seed(5)
    torch.set_num_threads(1)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    recorded = {"codes": create_dynamic_map()}
    for name, (rows, columns, dtype, scale) in WEIGHTS.items():
        weight = torch.randn(rows, columns) * scale * torch.rand(rows, 1)
        weight[rows // 2, : columns // 2] = 0
        if rows > 64:
            weight[3] = 0
        weight = weight.to(dtype)
        packed, state = quantize_4bit(weight, blocksize=64, quant_type="nf4", compress_statistics=True)
        # On the CPU, bitsandbytes 0.50.2 takes wrong scales back for rows that are not whole blocks (18 to 39 % off
        # instead of 9 %); laid out as one row, as a graphics card sees it, it takes the right ones.
        shape, state.shape = state.shape, torch.Size((1, weight.numel()))
        recorded[f"{name}.weight"] = weight
        recorded[f"{name}.offset"] = state.offset.reshape(1)
        recorded[f"{name}.result"] = dequantize_4bit(packed, state).reshape(shape)
    save_file(recorded, FOLDER / "vectors.safetensors")
    versions = {
        "bitsandbytes": bitsandbytes.__version__,
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
    (FOLDER / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


if __name__ == "__main__":
    main()
