"""What ends an answer, what begins a text, and the form of a talk."""

import json
from collections.abc import Callable
from pathlib import Path

import jinja2
import pytest
from support.llama_judge import Llama, read_metadata
from support.smol_checkpoint import write_smol_checkpoint
from support.tiny_families import edit, write_family
from support.tiny_model import Shape, write_checkpoint

from convert.errors import ConvertError
from convert.pipeline import Report
from convert.tensors import Metadata
from convert.vocab import vocab_metadata
from convert.vocab.byte_level import byte_level_tokens
from convert.vocab.files import TokenizerFiles
from convert.vocab.pre_tokenizer import check_hash, known_definition, table
from convert.vocab.special import special_notices

SMOLLM_HASH = "855059429035d75a914d1eda9f10a876752e281a054a7a3d421ef0533e5b6249"


@pytest.fixture
def bpe(tmp_path: Path) -> Path:
    """A folder with a byte-level tokenizer of 399 tokens; number 1 begins and number 2 ends a text."""
    write_checkpoint(tmp_path / "bpe")
    return tmp_path / "bpe"


def read(folder: Path) -> Metadata:
    return vocab_metadata(folder, [folder], 399)


def ids(metadata: Metadata) -> dict[str, object]:
    return {
        key.removeprefix("tokenizer.ggml.").removesuffix("_token_id"): value
        for key, value in metadata.items()
        if key.endswith("_token_id")
    }


def test_every_token_that_ends_an_answer_does_so_in_llama_cpp(
    bpe: Path, out: Path, convert: Callable[..., Report], llama: Llama
) -> None:
    edit(bpe / "generation_config.json", eos_token_id=[2, 0, 50, 70])
    convert(bpe, "F32")
    assert llama.ends(out, [2, 0, 50, 70, 71, 1]) == [True, True, True, True, False, False]
    # Number 0 ends an answer by its text, <|endoftext|>; llama.cpp's converter reads no generation_config.json.
    assert {key: ids(read(bpe))[key] for key in ("eos", "eot", "eom")} == {"eos": 2, "eot": 50, "eom": 70}


def test_more_ends_than_gguf_can_hold_are_refused(bpe: Path) -> None:
    edit(bpe / "generation_config.json", eos_token_id=[2, 50, 70, 90])
    with pytest.raises(ConvertError, match=r"\[50, 70, 90\]"):
        read(bpe)


def test_padding_with_the_end_token_is_told(bpe: Path, out: Path, convert: Callable[..., Report]) -> None:
    assert convert(bpe, "F32").notices == ()
    edit(bpe / "tokenizer_config.json", pad_token="<|im_end|>")
    assert "padding" in convert(bpe, "F32", path=out.with_name("2.gguf")).notices[0]
    assert special_notices({}) == ()


def test_what_the_template_puts_last_ends_a_text_and_the_named_one_a_turn(bpe: Path) -> None:
    last = {"SpecialToken": {"id": "<|endoftext|>"}}
    edit(bpe / "tokenizer.json", post_processor={"type": "TemplateProcessing", "single": [{"Sequence": {}}, last]})
    metadata = read(bpe)
    assert {key: ids(metadata)[key] for key in ("eos", "eot")} == {"eos": 0, "eot": 2}
    assert metadata["tokenizer.ggml.add_eos_token"] is True


def test_a_text_never_starts_with_another_token_than_the_template_says(bpe: Path) -> None:
    # llama.cpp's converter says true here, and llama.cpp then adds the bos token, which is not that one.
    first = {"SpecialToken": {"id": "<|endoftext|>"}}
    edit(bpe / "tokenizer.json", post_processor={"type": "TemplateProcessing", "single": [first, {"Sequence": {}}]})
    assert read(bpe)["tokenizer.ggml.add_bos_token"] is False


def test_llama_3s_bos_token_is_added_only_where_a_file_says_so(tmp_path: Path) -> None:
    folder = write_family(tmp_path, "Meta-Llama-3.1-8B-Instruct-calm")
    assert read(folder)["tokenizer.ggml.add_bos_token"] is True
    edit(folder / "tokenizer.json", post_processor=None)
    # llama.cpp's converter is silent here, and llama.cpp then adds it for every llama-bpe.
    assert read(folder)["tokenizer.ggml.add_bos_token"] is False


def test_added_tokens_survive_without_their_decoder(tmp_path: Path) -> None:
    # A transformers 5 folder with tokenizer.model copied back in; llama.cpp's converter calls the token [PAD428].
    folder = tmp_path / "spm"
    write_checkpoint(folder, Shape(tokenizer="sentencepiece", filler=1))
    edit(folder / "tokenizer.json", added_tokens=[{"id": 428, "content": "<calm>", "special": True}])
    tokens = vocab_metadata(folder, [folder], 429)["tokenizer.ggml.tokens"]
    assert isinstance(tokens, list)
    assert tokens[428] == "<calm>"


def test_smollms_vocabulary_has_llama_cpps_hash(tmp_path: Path) -> None:
    write_smol_checkpoint(tmp_path, layers=0)
    files = TokenizerFiles.read(tmp_path)
    known = known_definition(files.tokenizer, table().byte_level)
    digest = check_hash(files, byte_level_tokens(files.tokenizer["model"], known.words))
    assert digest == SMOLLM_HASH
    assert table().names[digest] == known.name == "smollm"


def test_a_known_hash_outranks_the_definition(bpe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = TokenizerFiles.read(bpe)
    known = known_definition(files.tokenizer, table().byte_level)
    digest = check_hash(files, byte_level_tokens(files.tokenizer["model"], known.words))
    assert digest is not None
    monkeypatch.setitem(table().names, digest, "starcoder")
    assert read(bpe)["tokenizer.ggml.pre"] == "starcoder"
    # An added token inside the check text cuts it in another way than the recorded one.
    edit(bpe / "tokenizer.json", added_tokens=[{"id": 2, "content": "3.3", "special": False}])
    assert read(bpe)["tokenizer.ggml.pre"] == "smollm"


def test_a_bert_that_keeps_capitals_says_so(tmp_path: Path) -> None:
    folder = write_family(tmp_path, "all-calm-L2-v1")
    normalizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))["normalizer"]
    edit(folder / "tokenizer.json", normalizer=normalizer | {"lowercase": False})
    assert vocab_metadata(folder, [folder], 200)["tokenizer.ggml.normalizer.lowercase"] is False
    edit(folder / "tokenizer.json", normalizer=normalizer | {"lowercase": False, "strip_accents": True})
    with pytest.raises(ConvertError, match="BertNormalizer"):
        vocab_metadata(folder, [folder], 200)


@pytest.mark.parametrize("name", ["Llama-2-7b-chat-hf", "llama2-13b-CHAT", "my-model"])
def test_a_llama_2_chat_without_a_template_gets_its_own(
    tmp_path: Path, name: str, out: Path, convert: Callable[..., Report]
) -> None:
    folder = tmp_path / name
    write_checkpoint(folder, Shape(tokenizer="sentencepiece"))
    edit(folder / "tokenizer_config.json", chat_template=None)
    convert(folder, "F32")
    template = read_metadata(out).get("tokenizer.chat_template")
    if name == "my-model":
        assert template is None
        return
    talk = [
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi "},
        {"role": "assistant", "content": " Hello."}, {"role": "user", "content": "I am tired."},
    ]  # fmt: skip
    # The form of meta-llama/llama, llama/generation.py (chat_completion).
    assert jinja2.Template(str(template)).render(messages=talk, bos_token="<s>", eos_token="</s>") == (
        "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST] Hello. </s><s>[INST] I am tired. [/INST]"
    )
