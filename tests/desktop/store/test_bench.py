"""The benchmark's figures are all there; their size is for people to judge, not for a test."""

import json
from pathlib import Path

import pytest

from desktop.store import bench


def test_the_vault_benchmark_gives_flat_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "MESSAGES", 200)
    figures = bench.measure(tmp_path)
    assert set(figures) == {
        "insert_vs_plain", "save_vs_fsync", "search_ms", "search_vs_plain", "open_ms", "export_s", "export_mb"
    }  # fmt: skip
    assert all(value > 0 for value in figures.values())
    assert len(json.loads((tmp_path / "out.json").read_bytes())["sessions"][0]["messages"]) > 200
