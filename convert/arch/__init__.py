"""The architectures: one file and one row each; never touches a file or a quantization type."""

from collections.abc import Mapping

from convert.arch import bert, decoder, llama, mistral, qwen2, qwen3
from convert.arch.model import Describe, Model
from convert.errors import ConvertError
from convert.json_file import Json
from convert.tensors import TensorInfo

ARCHITECTURES: Mapping[str, Describe] = {
    "LlamaForCausalLM": llama.describe,
    "MistralForCausalLM": mistral.describe,
    "Qwen2ForCausalLM": qwen2.describe,
    "Qwen3ForCausalLM": qwen3.describe,
    "BertModel": bert.describe,
    "BertForMaskedLM": bert.describe,
}


def describe(config: Json, tensors: Mapping[str, TensorInfo]) -> Model:
    """Return what the checkpoint with this config.json becomes. Raises ConvertError when it is not known."""
    if config.get("quantization_config"):
        raise ConvertError("This checkpoint is quantized already; take the model it was made from, in 16 or 32 bits.")
    named = config.get("architectures")
    name = named[0] if isinstance(named, list) and named else None
    if not isinstance(name, str):
        raise ConvertError("config.json does not name an architecture.")
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ConvertError(f"The architecture {name} is not known; known so far: {known}.")
    return ARCHITECTURES[name](config, tensors)


def tied_weights(config: Json, tensors: Mapping[str, TensorInfo]) -> Mapping[str, str]:
    """Return the weights that share another one's matrix, head -> embedding."""
    shares = config.get("tie_word_embeddings") and decoder.EMBEDDING in tensors
    return {decoder.HEAD: decoder.EMBEDDING} if shares else {}
