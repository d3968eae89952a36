"""How llama.cpp sizes a model by its shape, as far as its quantizer asks: is it a 70B? Never counts weights.

Source: llama.cpp, src/models/llama.cpp and qwen2.cpp (load_arch_hparams), where 80 layers make a LLM_TYPE_70B.
"""


def is_70b(architecture: str, layers: int, heads: int, kv_heads: int) -> bool:
    """Whether llama.cpp takes a model of the GGUF architecture for a 70B one; its quantizer then saves attn_v."""
    return layers == 80 and ((architecture == "llama" and heads != kv_heads) or architecture == "qwen2")
