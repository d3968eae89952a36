"""What llama.cpp's own converter writes for the tiny checkpoints (tests/data/record_converter.py) is what we write."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import pytest
from support.llama_judge import read_tensors
from support.tiny_families import FAMILIES, write_family

from convert.pipeline import Report
from convert.quant.recipes import RECIPES
from convert.vocab.byte_level import byte_level_tokens
from convert.vocab.files import TokenizerFiles
from convert.vocab.pre_tokenizer import check_hash, known_definition, table
from convert.vocab.trained import trained_tokens
from convert.vocab.word_piece import word_piece_tokens

RECORDED: Mapping[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "converter.json").read_text("utf-8"))
LONG = 20
PROVENANCE = ("quietroom.",)  # what we alone write: where the file comes from


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tiny checkpoints, not to be changed."""
    parent = tmp_path_factory.mktemp("families")
    for name in FAMILIES:
        write_family(parent, name)
    return parent


def metadata_of(path: Path) -> dict[str, list[Any]]:
    found = {}
    for key, field in gguf.GGUFReader(path).fields.items():
        if not key.startswith(("GGUF.", *PROVENANCE)):
            value = field.contents()
            if isinstance(value, list) and len(value) > LONG:
                value = hashlib.sha256(json.dumps(value).encode()).hexdigest()
            found[key] = [[kind.name for kind in field.types], value]
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_the_metadata_is_that_of_llama_cpps_converter(
    families: Path, name: str, out: Path, convert: Callable[..., Report]
) -> None:
    convert(families / name, "F32")
    found = metadata_of(out)
    assert found.pop("general.file_type") == [["UINT32"], 0]
    expected = dict(RECORDED[name]["metadata"])
    expected.pop("general.file_type")
    assert found == expected


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0"])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_tensors_are_those_of_llama_cpps_converter(
    families: Path, name: str, kind: str, out: Path, convert: Callable[..., Report]
) -> None:
    if kind not in RECIPES:
        pytest.skip(f"{kind} is not written yet")
    convert(families / name, kind)
    found = {
        tensor: [type_, list(shape), hashlib.sha256(data).hexdigest()]
        for tensor, (type_, shape, data) in read_tensors(out).items()
    }
    assert found == RECORDED[name]["tensors"][kind]


@pytest.mark.parametrize("name", [name for name, entry in RECORDED.items() if entry["hash"]])
def test_the_hash_of_a_vocabulary_is_llama_cpps_own(families: Path, name: str) -> None:
    files = TokenizerFiles.read(families / name)
    model = files.tokenizer["model"]
    if files.is_word_piece:
        known = known_definition(files.tokenizer, table().word_piece)
        tokens = word_piece_tokens(model, trained_tokens(model), known.words)
    else:
        known = known_definition(files.tokenizer, table().byte_level)
        tokens = byte_level_tokens(model, known.words)
    assert check_hash(files, tokens) == RECORDED[name]["hash"]
