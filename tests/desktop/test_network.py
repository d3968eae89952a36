"""Nothing leaves this machine: the kernel's own record of every socket."""

import re
import subprocess
import sys
from pathlib import Path

from support.programs import BIN

INTERNET = re.compile(r"\b(?:connect|bind|socket)\([^)]*AF_INET")

# The window as `quietroom` starts it, with a hand that writes one message and closes it.
DRIVER = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from desktop.app import faces
from desktop.ui.disclosure import DisclosureDialog
from desktop.ui.main_window import MainWindow

application = QApplication(sys.argv)

def act():
    window = next(w for w in application.topLevelWidgets() if isinstance(w, MainWindow))
    window.findChild(DisclosureDialog).accept()
    window._chat.answered.connect(lambda _: (window.close(), application.quit()))
    window.box.setPlainText("hello")
    window.box.submit()

QTimer.singleShot(0, act)
sys.exit(faces.run_window(Path(sys.argv[1]), None, Path(sys.argv[2])))
"""


def traced(log: Path, command: list[str | Path], stdin: bytes = b"") -> str:
    """Runs a command with all its children under strace and gives the record of their network calls."""
    strace: list[str | Path] = ["strace", "-f", "-qq", "-e", "trace=network", "-o", log]
    done = subprocess.run([*strace, *command], input=stdin, capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return log.read_text()


def test_the_record_would_show_an_internet_socket(tmp_path: Path) -> None:
    code = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    assert INTERNET.search(traced(tmp_path / "log", [sys.executable, "-c", code]))


def test_the_window_and_its_children_open_no_internet_socket(tmp_path: Path, tiny: Path) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    record = traced(tmp_path / "log", [sys.executable, driver, tmp_path / "v", tiny])
    assert "AF_UNIX" in record
    assert not INTERNET.search(record)


def test_the_talk_and_the_export_open_none_either(tmp_path: Path, tiny: Path) -> None:
    folder = tmp_path / "v"
    record = traced(tmp_path / "log", [BIN / "quietroom", "talk", "--data-dir", folder, "--model", tiny], b"hello\n")
    out = tmp_path / "out"
    record += traced(
        tmp_path / "log2", [BIN / "quietroom", "export", "--data-dir", folder, "--format", "json", "--out", out]
    )
    assert out.exists()
    assert not INTERNET.search(record)
