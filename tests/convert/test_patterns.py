import json
from collections.abc import Callable
from pathlib import Path

import pytest

from convert import patterns
from convert.errors import ConvertError
from convert.patterns import LONGEST, MOST, check_patterns, first_fits

NAMES = ["model.layers.0.self_attn.q_proj", "model.layers.11.self_attn.q_proj", "model.layers.1.mlp.up_proj"]


@pytest.mark.parametrize(
    ("table", "fits"),
    [
        (["q_proj"], [0, 0, None]),
        (["proj"], [None, None, None]),  # whole names between dots alone
        (["layers.1.mlp.up_proj", "mlp.up_proj"], [None, None, 0]),
        ([r"^model\.layers\.1\.mlp\.up_proj$"], [None, None, 0]),
        ([r"layers\.(0|1)\..*", "up_proj|q_proj"], [0, 1, 0]),
        ([r"model\.layers\.\d{2}.*_proj", "q_proj"], [1, 0, None]),
    ],
)
def test_the_first_pattern_that_fits_a_names_end_counts(table: list[str], fits: list[int | None]) -> None:
    found = first_fits("rank_pattern", table, NAMES)
    assert [found.get(name) for name in NAMES] == [None if place is None else table[place] for place in fits]


@pytest.mark.parametrize(
    "hostile", ["(.*)*x", r"((\w+\.?)+)+!", "(a|a|_|l|m)*(.*.*)*=", ".*.*.*.*.*.*.*.*.*.*.*.*x", "(.?){200}(.?){200}#"]
)
@pytest.mark.parametrize("field", ["rank_pattern", "alpha_pattern"])
def test_a_pattern_that_would_never_end_is_refused(
    field: str,
    hostile: str,
    base: Path,
    own_adapter: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patterns, "PATIENCE", 1.0)
    path = own_adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: {hostile: 4}}))
    assert f"The adapter's {field} cannot be matched within 1 seconds" in refused(base, "--adapter", own_adapter)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (["("], "is no pattern"),
        (["a" * (LONGEST + 1)], "too long"),
        ([str(number) for number in range(MOST + 1)], "10001 patterns"),
    ],
    ids=["open", "long", "many"],
)
def test_what_is_no_table_of_patterns_is_refused(table: list[str], words: str) -> None:
    with pytest.raises(ConvertError, match=words):
        check_patterns("alpha_pattern", table)
