"""llama.cpp computes with our files what transformers computes with the checkpoints (tests/data/record_outputs.py)."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.llama_judge import Llama
from support.tiny_families import FAMILIES, write_family

from convert.pipeline import Report

DATA = Path(__file__).parents[1] / "data"
RECORDED: Mapping[str, Any] = json.loads((DATA / "outputs.json").read_text("ascii"))
MINILM: Mapping[str, Any] = json.loads((DATA / "minilm.json").read_text("ascii"))
EMBEDDER = "all-calm-L2-v1"


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != EMBEDDER])
def test_the_logits_are_those_of_transformers(
    tmp_path: Path, name: str, out: Path, convert: Callable[..., Report], llama: Llama
) -> None:
    convert(write_family(tmp_path, name), "F32")
    found = llama.logits(out, RECORDED["tokens"])[-1]
    # llama.cpp keeps keys and values in 16 bits, hence the tolerance.
    np.testing.assert_allclose(found, RECORDED["outputs"][name], atol=0.03)


def test_the_embedding_of_a_sentence_is_that_of_transformers(
    tmp_path: Path, out: Path, convert: Callable[..., Report], llama: Llama
) -> None:
    convert(write_family(tmp_path, EMBEDDER), "F16")
    cosines = (llama.embeddings(out, RECORDED["texts"]) * RECORDED["outputs"][EMBEDDER]).sum(-1)
    assert (1 - cosines).max() < 1e-3


@pytest.mark.skipif("QUIETROOM_MINILM" not in os.environ, reason="`make minilm-check` fetches the model")
@pytest.mark.parametrize(("recipe", "most"), [("F32", 1e-5), ("F16", 1e-5), ("Q8_0", 2e-3)])
def test_the_embeddings_of_the_real_model_are_those_of_transformers(
    recipe: str, most: float, out: Path, convert: Callable[..., Report], llama: Llama
) -> None:
    convert(Path(os.environ["QUIETROOM_MINILM"]), recipe)
    cosines = (llama.embeddings(out, MINILM["texts"]) * MINILM["vectors"]).sum(-1)
    assert (1 - cosines).max() < most
