"""Records what PEFT makes of small adapters: the oracles of tests/convert/test_lora_oracle.py; never run by tests.

    python tests/data/record_peft.py     # rewrites tests/data/peft; needs torch, transformers and peft

Each case is a folder: an adapter as PEFT saves it, and `merged.safetensors` with every tensor of the base that
merge_and_unload() changed or added, in float32. `base.txt` names the base, a file beside the folders. Where the
base shares one matrix between embedding and head, PEFT merges into both what was trained on one, and adds twice
what was trained on both; what the training saw is recorded by merging into a copy of the base in which the two
are apart. Versions: peft/versions.json; all fields of LoraConfig and their
defaults: peft/fields.json.
"""

import dataclasses
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

FOLDER = Path(__file__).parent / "peft"
SIZES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 24,
    "max_position_embeddings": 32,
}
LINEAR = ["q_proj", "v_proj", "up_proj", "down_proj"]
Settings = dict[str, Any]
Model = Any


def llama(**settings: object) -> Model:
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES, **settings))


def untied(tied: Model) -> Model:
    """The same model with a head of its own."""
    model = llama(tie_word_embeddings=False)
    model.load_state_dict(tied.state_dict())
    model.lm_head.weight.data = tied.model.embed_tokens.weight.data.clone()
    return model


def gpt2() -> Model:
    config = transformers.GPT2Config(
        n_embd=16, n_layer=1, n_head=2, vocab_size=24, n_positions=16, tie_word_embeddings=False
    )
    return transformers.GPT2LMHeadModel(config)


BASES: dict[str, Callable[[], Model]] = {
    "llama": lambda: llama(tie_word_embeddings=False),
    "tied": lambda: llama(tie_word_embeddings=True),
    "biased": lambda: llama(tie_word_embeddings=False, attention_bias=True),
    "gpt2": gpt2,
}

CASES: dict[str, tuple[str, Settings]] = {
    "plain": ("llama", {"target_modules": [*LINEAR, "k_proj", "o_proj", "gate_proj"], "init_lora_weights": "gaussian"}),
    "rslora": ("llama", {"target_modules": LINEAR, "use_rslora": True, "r": 6}),
    "dora": ("llama", {"target_modules": LINEAR, "use_dora": True}),
    "rsdora": ("llama", {"target_modules": LINEAR, "use_dora": True, "use_rslora": True}),
    "patterns": (
        "llama",
        {
            "target_modules": LINEAR,
            # In alphabetical order, as PEFT writes them whatever they were: the first that fits counts.
            "rank_pattern": {"down_proj": 7, "layers.1.self_attn.q_proj": 2, r"layers\.\d+\.mlp\..*": 5},
            "alpha_pattern": {"^model.layers.0.self_attn.v_proj": 32, "q_proj": 1},
        },
    ),
    "rspatterns": (
        "llama",
        {"target_modules": LINEAR, "use_rslora": True, "rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 3}},
    ),
    "layers": ("llama", {"target_modules": LINEAR, "layers_to_transform": [1], "layers_pattern": "layers"}),
    "modules": ("llama", {"target_modules": LINEAR, "modules_to_save": ["embed_tokens", "lm_head", "input_layernorm"]}),
    "embedding": ("llama", {"target_modules": ["q_proj", "embed_tokens"]}),
    "embedding_dora": ("llama", {"target_modules": ["q_proj", "embed_tokens"], "use_dora": True}),
    "head": ("llama", {"target_modules": ["q_proj", "lm_head"]}),
    "tokens": ("llama", {"target_modules": LINEAR, "trainable_token_indices": [21, 3, 7]}),
    "tokens_both": (
        "llama",
        {"target_modules": LINEAR, "trainable_token_indices": {"embed_tokens": [1, 2], "lm_head": [5]}},
    ),
    "biases": ("biased", {"target_modules": ["q_proj", "v_proj"], "bias": "all"}),
    "biases_only": ("biased", {"target_modules": ["q_proj", "v_proj"], "bias": "lora_only"}),
    "lora_bias": ("biased", {"target_modules": ["q_proj", "v_proj"], "lora_bias": True}),
    "fan": ("gpt2", {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True}),
    "fan_dora": ("gpt2", {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True, "use_dora": True}),
    "half": ("llama", {"target_modules": LINEAR}),
    "resized": ("llama", {"target_modules": LINEAR}),
    "tied_plain": ("tied", {"target_modules": LINEAR}),
    "tied_embedding": ("tied", {"target_modules": ["q_proj", "embed_tokens"]}),
    "tied_head": ("tied", {"target_modules": ["q_proj", "lm_head"]}),
    "tied_ensured": ("tied", {"target_modules": ["q_proj", "embed_tokens"], "ensure_weight_tying": True}),
    "tied_module": ("tied", {"target_modules": LINEAR, "modules_to_save": ["embed_tokens"]}),
    "tied_module_ensured": (
        "tied",
        {"target_modules": LINEAR, "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    ),
    "tied_tokens": ("tied", {"target_modules": LINEAR, "trainable_token_indices": [4, 9]}),
    "tied_tokens_head": ("tied", {"target_modules": LINEAR, "trainable_token_indices": {"lm_head": [4, 9]}}),
    "tied_resized": ("tied", {"target_modules": LINEAR}),
    "tied_resized_tokens": ("tied", {"target_modules": LINEAR, "trainable_token_indices": [24, 25]}),
}
APART = {"tied_embedding", "tied_ensured", "tied_head", "tied_module", "tied_tokens_head"}


def train(model: Model) -> None:
    """Move every trained value, as if it had been trained."""
    with torch.no_grad():
        for _, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)


def tensors(model: Model) -> dict[str, torch.Tensor]:
    found = {name: value.detach().clone().contiguous() for name, value in model.state_dict().items()}
    if model.config.tie_word_embeddings and torch.equal(found["lm_head.weight"], found["model.embed_tokens.weight"]):
        del found["lm_head.weight"]
    return found


def opened(base: str, *, apart: bool = False) -> Model:
    """The base as recorded, in float32."""
    model = BASES[base]()
    stored = load_file(FOLDER / f"{base}.safetensors")
    model.load_state_dict(stored, strict=False)
    model.tie_weights()
    model.config.name_or_path = model.name_or_path = str(FOLDER / base)
    return untied(model) if apart else model


def record(case: str, base: str, settings: Settings) -> None:
    folder = FOLDER / case
    model = opened(base)
    if "resized" in case:
        model.resize_token_embeddings(26)
    config = LoraConfig(**{"r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM"} | settings)
    trained = get_peft_model(model, config)
    train(trained)
    if case == "half":
        trained.to(torch.bfloat16)
    trained.save_pretrained(folder, save_embedding_layers=True if "resized" in case else "auto")
    (folder / "README.md").unlink()
    settle(folder, base)
    if case == "tied_ensured":  # the head's factors are in the file, but PEFT takes them for a shared head alone
        trained.peft_config["default"].target_modules = {*settings["target_modules"], "lm_head"}
        trained.peft_config["default"].ensure_weight_tying = False
    fresh = opened(base, apart=case in APART)
    if "resized" in case:
        fresh.resize_token_embeddings(26)
    config = trained.peft_config["default"] if case == "tied_ensured" else None
    merged = PeftModel.from_pretrained(fresh, folder, config=config).merge_and_unload()
    write_merged(folder, base, merged)


def record_weighted() -> None:
    """plain at 0.75 and rslora at -0.5, the way PEFT adds adapters up: their factors side by side."""
    model = PeftModel.from_pretrained(opened("llama"), FOLDER / "plain", adapter_name="a")
    model.load_adapter(FOLDER / "rslora", adapter_name="b")
    model.add_weighted_adapter(["a", "b"], [0.75, 0.5], "both", combination_type="cat")
    model.set_adapter("both")
    (FOLDER / "weighted").mkdir()
    write_merged(FOLDER / "weighted", "llama", model.merge_and_unload())


def record_dora_and_lora() -> None:
    model = PeftModel.from_pretrained(opened("llama"), FOLDER / "dora", adapter_name="a")
    model.load_adapter(FOLDER / "plain", adapter_name="b")
    (FOLDER / "dora_and_lora").mkdir()
    write_merged(FOLDER / "dora_and_lora", "llama", model.merge_and_unload(adapter_names=["a", "b"]))


def write_merged(folder: Path, base: str, model: Model) -> None:
    before, after = load_file(FOLDER / f"{base}.safetensors"), tensors(model)
    changed = {n: v for n, v in after.items() if n not in before or not torch.equal(before[n], v)}
    save_file(changed, folder / "merged.safetensors")
    (folder / "base.txt").write_text(base + "\n")


def settle(folder: Path, base: str) -> None:
    """Take this machine's paths out of the configuration and write it the same way each time."""
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = base
    for field in ("target_modules", "exclude_modules"):
        if isinstance(config[field], list):
            config[field] = sorted(config[field])
    path.write_text(json.dumps(config, indent=1) + "\n")


def main() -> None:
    warnings.simplefilter("ignore")
    torch.manual_seed(11)
    torch.set_num_threads(1)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for name, make in BASES.items():
        save_file(tensors(make()), FOLDER / f"{name}.safetensors")
        (FOLDER / name).mkdir()
        BASES[name]().config.save_pretrained(FOLDER / name)
    for case, (base, settings) in CASES.items():
        record(case, base, settings)
    record_weighted()
    record_dora_and_lora()
    for name in BASES:
        shutil.rmtree(FOLDER / name)
    fields = {field.name: getattr(LoraConfig(), field.name) for field in dataclasses.fields(LoraConfig)}
    (FOLDER / "fields.json").write_text(json.dumps(fields | {"peft_type": "LORA"}, indent=1, default=vars) + "\n")
    versions = {"peft": peft.__version__, "torch": torch.__version__, "transformers": transformers.__version__}
    (FOLDER / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


if __name__ == "__main__":
    main()
