import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from support.llama_judge import Llama
from support.tiny_model import Shape, write_checkpoint
from support.tiny_tokenizers import CHATML, LLAMA2, SENTENCES, SPECIALS, write_byte_level, write_sentencepiece

from convert.errors import ConvertError
from convert.pipeline import Report
from convert.tensors import Metadata
from convert.vocab import vocab_metadata

SPM = Shape(tokenizer="sentencepiece")


@pytest.fixture
def spm(tmp_path: Path) -> Path:
    """A folder with a SentencePiece tokenizer of 429 tokens."""
    write_checkpoint(tmp_path / "spm", SPM)
    return tmp_path / "spm"


@pytest.fixture
def bpe(tmp_path: Path) -> Path:
    """A folder with a byte-level tokenizer of 399 tokens."""
    write_checkpoint(tmp_path / "bpe")
    return tmp_path / "bpe"


def edit(path: Path, **fields: object) -> None:
    value = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(value | fields))


def read(folder: Path, rows: int) -> Metadata:
    return vocab_metadata(folder, [folder], rows)


def entry(metadata: Metadata, name: str, number: int) -> object:
    value = metadata[f"tokenizer.ggml.{name}"]
    assert isinstance(value, list | np.ndarray)
    return value[number]


def test_sentencepiece_and_llama_cpp_split_alike(
    spm: Path, out: Path, convert: Callable[..., Report], llama: Llama
) -> None:
    convert(spm, "F32")
    model = sentencepiece.SentencePieceProcessor(model_file=str(spm / "tokenizer.model"))
    expected = [model.EncodeAsIds(text) for text in SENTENCES]
    assert llama.tokenize(out, SENTENCES) == expected
    # The texts reach bytes and merged pieces alike.
    assert {True, False} == {3 <= number < 259 for numbers in expected for number in numbers}


def test_every_piece_keeps_its_score_and_kind(spm: Path, tmp_path: Path) -> None:
    count = len(write_sentencepiece(tmp_path))
    model = sentencepiece.SentencePieceProcessor(model_file=str(spm / "tokenizer.model"))
    metadata = read(spm, count)
    assert metadata["tokenizer.ggml.tokens"] == [model.IdToPiece(number) for number in range(count)]
    assert np.array_equal(metadata["tokenizer.ggml.scores"], [model.GetScore(number) for number in range(count)])
    assert [entry(metadata, "token_type", number) for number in (0, 1, 2, 3, 258, 259)] == [2, 3, 3, 6, 6, 1]
    assert metadata["tokenizer.ggml.add_bos_token"] is True
    assert metadata["tokenizer.chat_template"] == LLAMA2


def test_rows_beyond_the_tokens_are_filler(spm: Path, bpe: Path, tmp_path: Path) -> None:
    for folder, count in ((spm, len(write_sentencepiece(tmp_path))), (bpe, len(write_byte_level(tmp_path)))):
        metadata = read(folder, count + 3)
        assert [entry(metadata, "tokens", number) for number in (count, count + 2)] == [
            f"[PAD{count}]", f"[PAD{count + 2}]"
        ]  # fmt: skip
        assert entry(metadata, "token_type", count) == 5
    assert entry(read(spm, 500), "scores", 499) == -10000


def test_a_model_with_filler_loads_and_answers(
    tmp_path: Path, out: Path, convert: Callable[..., Report], llama: Llama
) -> None:
    for kind in ("sentencepiece", "byte-level"):
        write_checkpoint(tmp_path / kind, Shape(tokenizer=kind, filler=7))
        path = out.with_name(f"{kind}.gguf")
        convert(tmp_path / kind, "Q8_0", path=path)
        assert llama.answer(path, "I am tired.", 40)[1] == "length"


def test_more_tokens_than_rows_are_refused_with_both_sizes(spm: Path, bpe: Path) -> None:
    for folder in (spm, bpe):
        with pytest.raises(ConvertError, match="300"):
            read(folder, 300)


def test_added_tokens_come_from_all_their_places(spm: Path) -> None:
    edit(spm / "added_tokens.json", **{"<pad>": 429, "calm▁down": 430})
    decoder = {"1": {"content": "<s>", "special": True}, "431": {"content": "<|turn|>", "special": False}}
    edit(spm / "tokenizer_config.json", added_tokens_decoder=decoder)
    listed = [{"id": 5, "content": "<0x02>", "special": False}, {"id": 432, "content": "user▁text"}]
    edit(spm / "tokenizer.json", added_tokens=listed)
    metadata = read(spm, 433)
    found = [
        (entry(metadata, "tokens", n), entry(metadata, "token_type", n), entry(metadata, "scores", n))
        for n in (429, 430, 431, 432, 1, 5)
    ]
    assert found == [
        ("<pad>", 4, -1000), ("calm down", 4, -1000), ("<|turn|>", 3, -1000), ("user text", 4, -1000),
        ("<s>", 3, -1000), ("<0x02>", 6, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("added_tokens.json", {"<pad>": 430}),
        ("added_tokens.json", {"<pad>": "many"}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"x": {}}}),
        ("tokenizer_config.json", {"added_tokens_decoder": ["<pad>"]}),
        ("tokenizer.json", {"added_tokens": [{"id": 430}]}),
        ("tokenizer.json", {"added_tokens": [5]}),
    ],
)
def test_a_malformed_or_impossible_added_token_is_refused(spm: Path, file: str, fields: dict[str, object]) -> None:
    edit(spm / file, **fields)
    with pytest.raises(ConvertError):
        read(spm, 429)


@pytest.mark.parametrize("data", [b"", b"not a model", b"\0" * 100])
def test_a_damaged_sentencepiece_model_is_refused(spm: Path, data: bytes) -> None:
    (spm / "tokenizer.model").write_bytes(data)
    with pytest.raises(ConvertError, match=r"tokenizer\.model"):
        read(spm, 429)


def test_llama_cpp_splits_byte_level_text_as_its_definition_says(
    bpe: Path, out: Path, convert: Callable[..., Report], llama: Llama
) -> None:
    tokens = write_byte_level(bpe)
    convert(bpe, "F32")
    for text, numbers in zip(SENTENCES, llama.tokenize(out, SENTENCES), strict=True):
        pieces = [tokens[number] for number in numbers]
        assert b"".join(pieces) == text.encode()
        # Digits stand alone, and words were learned with the space before them.
        assert all(len(piece) == 1 for piece in pieces if any(byte in b"0123456789" for byte in piece))
    assert b" tired" in [tokens[number] for number in llama.tokenize(out, ["so tired"])[0]]
    assert llama.tokenize(out, ["".join(SPECIALS)], special=True) == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("definition", "name"),
    [
        ({"type": "ByteLevel", "add_prefix_space": False}, "gpt-2"),
        (
            {
                "type": "Sequence",
                "pretokenizers": [
                    {"type": "Digits", "individual_digits": True},
                    {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True, "trim_offsets": False},
                ],
            },
            "smollm",
        ),
    ],
)
def test_a_known_definition_gets_llama_cpps_name(bpe: Path, definition: object, name: str) -> None:
    edit(bpe / "tokenizer.json", pre_tokenizer=definition)
    assert read(bpe, 399)["tokenizer.ggml.pre"] == name


@pytest.mark.parametrize(
    ("definition", "found"),
    [
        (None, "found: nothing"),
        ({"type": "Whitespace"}, "found: Whitespace"),
        ({"type": "ByteLevel", "add_prefix_space": True}, "add_prefix_space=True"),
        ({"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}, "use_regex=False"),
        ({"type": "Sequence", "pretokenizers": [{"type": "Split"}, {"type": "ByteLevel"}]}, "Split .*then ByteLevel"),
        ({"type": "Sequence", "pretokenizers": 5}, "found: nothing"),
    ],
)
def test_an_unknown_definition_is_refused_saying_what_it_is(bpe: Path, definition: object, found: str) -> None:
    edit(bpe / "tokenizer.json", pre_tokenizer=definition)
    with pytest.raises(ConvertError, match=found):
        read(bpe, 399)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"normalizer": {"type": "NFC"}}, "NFC"),
        ({"model": {"type": "Unigram", "vocab": []}}, "not supported"),
        ({"model": {"type": "WordPiece", "vocab": {}}}, "##"),
        ({"model": {"type": "BPE", "byte_fallback": True, "vocab": {"a": 0}}}, r"copy tokenizer\.model"),
        ({"model": {"type": "BPE", "ignore_merges": True}}, "whole words first"),
        ({"model": {"type": "BPE", "vocab": {"a": 1}, "merges": []}}, "no merges"),
        ({"model": {"type": "BPE", "vocab": {"a": 1}, "merges": ["a b c"]}}, "no pair"),
        ({"model": {"type": "BPE", "vocab": {"a": "b"}, "merges": ["a b"]}}, "vocabulary"),
        ({"model": None}, r"no usable tokenizer\.json"),
        ({"post_processor": {"type": "BertProcessing"}}, "BertProcessing"),
    ],
)
def test_an_unknown_tokenizer_is_refused(bpe: Path, fields: dict[str, object], words: str) -> None:
    edit(bpe / "tokenizer.json", **fields)
    with pytest.raises(ConvertError, match=words):
        read(bpe, 399)


def test_merges_written_as_pairs_are_the_same(bpe: Path) -> None:
    before = read(bpe, 399)["tokenizer.ggml.merges"]
    model = json.loads((bpe / "tokenizer.json").read_text())["model"]
    model["merges"] = [merge.split(" ") for merge in model["merges"]]
    edit(bpe / "tokenizer.json", model=model)
    assert read(bpe, 399)["tokenizer.ggml.merges"] == before


def test_special_tokens_go_by_text_then_by_number(bpe: Path) -> None:
    edit(bpe / "config.json", eos_token_id=0, pad_token_id=5)
    assert read(bpe, 399)["tokenizer.ggml.eos_token_id"] == 2
    edit(bpe / "tokenizer_config.json", eos_token=None, pad_token="<none>", bos_token={"content": "<|im_end|>"})
    metadata = read(bpe, 399)
    assert metadata["tokenizer.ggml.eos_token_id"] == 0
    assert metadata["tokenizer.ggml.padding_token_id"] == 5
    assert metadata["tokenizer.ggml.bos_token_id"] == 2
    edit(bpe / "config.json", eos_token_id=None, pad_token_id=-1)
    edit(bpe / "generation_config.json", eos_token_id=[1, 2])
    metadata = read(bpe, 399)
    assert metadata["tokenizer.ggml.eos_token_id"] == 1
    assert "tokenizer.ggml.padding_token_id" not in metadata


def test_a_model_that_could_never_stop_is_refused(spm: Path) -> None:
    edit(spm / "config.json", eos_token_id=None)
    assert read(spm, 429)["tokenizer.ggml.eos_token_id"] == 2
    edit(spm / "tokenizer_config.json", eos_token="<none>")
    with pytest.raises(ConvertError, match="eos_token_id"):
        read(spm, 429)


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        (None, None),
        ({"type": "ByteLevel"}, False),
        ({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|im_start|>"}}, {}]}, True),
        ({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}]}, None),
        ({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|im_end|>"}}, {}]}, False),
        (
            {
                "type": "Sequence",
                "processors": [
                    {"type": "ByteLevel"},
                    {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|im_start|>"}}, {}]},
                ],
            },
            True,
        ),
    ],
)
def test_whether_bos_is_added_is_the_post_processors_word(bpe: Path, processor: object, expected: bool | None) -> None:
    edit(bpe / "tokenizer.json", post_processor=processor)
    assert read(bpe, 399).get("tokenizer.ggml.add_bos_token") is expected


def test_the_chat_template_is_found_in_each_place_the_adapter_first(bpe: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()

    def template() -> object:
        return vocab_metadata(bpe, [adapter, bpe], 399).get("tokenizer.chat_template")

    assert template() == CHATML
    (adapter / "chat_template.json").write_text('{"chat_template": "from json"}')
    assert template() == "from json"
    (adapter / "chat_template.jinja").write_text("from jinja")
    assert template() == "from jinja"
    named = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "from config"}]
    edit(adapter / "tokenizer_config.json", chat_template=named)
    assert template() == "from config"


def test_no_chat_template_is_no_error(bpe: Path) -> None:
    edit(bpe / "tokenizer_config.json", chat_template=None)
    assert "tokenizer.chat_template" not in read(bpe, 399)


def test_a_chat_template_that_is_no_text_is_refused(bpe: Path) -> None:
    edit(bpe / "tokenizer_config.json", chat_template=None)
    (bpe / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(ConvertError, match="text"):
        read(bpe, 399)
