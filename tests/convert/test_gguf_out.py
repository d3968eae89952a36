import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
from support.llama_judge import read_metadata

from convert.errors import ConvertError
from convert.gguf_out import GgufFile, Layout, declare, part_path
from convert.tensors import Bytes, Metadata

METADATA: Metadata = {
    "general.architecture": "llama",
    "yes": True,
    "count": 7,
    "signed": np.int32(-7),
    "share": 0.5,
    "text": "früh 🙂",
    "texts": ["a", "", "ä"],
    "numbers": np.array([1, -2], np.int32),
    "shares": np.array([0.25, -1e9], np.float32),
}
DATA: dict[str, Bytes] = {
    "first": np.arange(16, dtype=np.uint8),
    "second": np.arange(100, 116, dtype=np.uint8),
    "third": np.arange(200, 212, dtype=np.uint8),
}


def layout() -> Layout:
    return declare(METADATA, [("first", (2, 2), 0, 16), ("second", (2, 2), 0, 16), ("third", (3,), 0, 12)])


def test_the_gguf_package_reads_all_of_it_back(out: Path) -> None:
    with GgufFile(out, layout()) as file:
        for name in ("third", "first", "second"):
            file.write(name, DATA[name])
        file.finish()
    reader = gguf.GGUFReader(out)
    plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in METADATA.items()}
    assert read_metadata(out) == plain
    assert reader.fields["signed"].types == [gguf.GGUFValueType.INT32]
    assert reader.fields["count"].types == [gguf.GGUFValueType.UINT32]
    assert {tensor.name: tensor.data.tobytes() for tensor in reader.tensors} == {
        name: data.tobytes() for name, data in DATA.items()
    }
    assert out.stat().st_size == layout().size
    assert not part_path(out).exists()


def test_an_error_inside_leaves_nothing(out: Path) -> None:
    with pytest.raises(KeyError), GgufFile(out, layout()) as file:
        file.write("first", DATA["first"])
        assert part_path(out).exists()
        raise KeyError
    assert list(out.parent.iterdir()) == []


def test_a_tensor_is_written_once_whole_and_under_its_name(out: Path) -> None:
    with GgufFile(out, layout()) as file:
        file.write("first", DATA["first"])
        with pytest.raises(ValueError, match="first"):
            file.write("first", DATA["first"])
        with pytest.raises(ValueError, match="third"):
            file.write("third", DATA["first"])
        with pytest.raises(KeyError):
            file.write("fourth", DATA["first"])
        with pytest.raises(ValueError, match="second"):
            file.finish()


@pytest.mark.parametrize("where", ["magic", "count", "metadata", "tensor table", "first byte", "last byte"])
def test_a_byte_that_changed_on_the_disk_is_noticed(out: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = layout()
    first, last = plan.tensors["first"], plan.tensors["third"]
    position = {
        "magic": 0,
        "count": 8,
        "metadata": plan.header.index("früh".encode()),
        "tensor table": plan.header.rindex(b"second") + 10,
        "first byte": first.offset,
        "last byte": last.offset + last.size - 1,
    }[where]

    def fail_silently(number: int) -> None:
        with part_path(out).open("r+b") as part:
            part.seek(position)
            before = part.read(1)
            part.seek(position)
            part.write(bytes([before[0] ^ 1]))

    # Between writing and reading back, which is where a failing disk would do it.
    monkeypatch.setattr("os.fsync", fail_silently)
    with pytest.raises(ConvertError, match="reads back"), GgufFile(out, plan) as file:
        for name, data in DATA.items():
            file.write(name, data)
        file.finish()
    assert list(out.parent.iterdir()) == []


def test_what_a_killed_run_left_is_replaced(out: Path) -> None:
    part_path(out).write_bytes(b"rubbish" * 1000)
    with GgufFile(out, layout()) as file:
        for name, data in DATA.items():
            file.write(name, data)
        file.finish()
    assert out.stat().st_size == layout().size
    assert list(out.parent.iterdir()) == [out]


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="could not be written"), GgufFile(tmp_path / "no" / "f", layout()):
        pass


FULL_DISK = """
import sys
from pathlib import Path
import numpy as np
from convert.errors import ConvertError
from convert.gguf_out import GgufFile, declare
out = Path(sys.argv[1]) / "model.gguf"
try:
    with GgufFile(out, declare({}, [("big", (1 << 21,), 0, 1 << 23)])) as file:
        file.write("big", np.ones(1 << 23, np.uint8))
        file.finish()
except ConvertError as error:
    print(error, [path.name for path in out.parent.iterdir()])
"""


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, tmpfs: list[str]) -> None:
    run = subprocess.run(
        [*tmpfs, "4m", str(tmp_path), sys.executable, "-c", FULL_DISK, str(tmp_path)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert run.stdout.startswith("There was no room left on the disk for")
    assert run.stdout.endswith("nothing was kept. []\n")
