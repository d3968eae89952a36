"""What was noticed is kept without words, seen and deleted by the person, in the window and at the terminal."""

from pathlib import Path

from pytestqt.qtbot import QtBot
from support.programs import Talk, run

from desktop.app.rooms import Rooms
from desktop.store.database import Vault
from desktop.ui.main_window import MainWindow
from desktop.ui.noticed import NoticedDialog

GRAVE = "I am going to kill myself tonight."


def test_S7_what_was_noticed_is_seen_and_deleted_at_the_terminal(tmp_path: Path, tiny: Path) -> None:
    folder = ("--data-dir", tmp_path / "v")
    run("quietroom", "talk", *folder, "--model", tiny, stdin=f"{GRAVE}\n{GRAVE}\n".encode())
    first, second = run("quietroom", "noticed", *folder).stdout.decode().splitlines()
    assert first.split("\t")[2:] == ["crisis", "suicide"]
    assert "kill" not in first
    missing = run("quietroom", "noticed", "delete", "nothere", *folder)
    assert missing.returncode == 2
    assert b"nothing was changed" in missing.stderr
    assert run("quietroom", "noticed", "delete", first.split("\t")[0], *folder).returncode == 0
    assert run("quietroom", "noticed", *folder).stdout.decode().splitlines() == [second]
    run("quietroom", "noticed", "delete", "all", *folder)
    assert run("quietroom", "noticed", *folder).stdout == b""


def test_S7_the_window_lists_it_and_deletes_it_and_the_words_stay(tmp_path: Path, tiny: Path, qtbot: QtBot) -> None:
    rooms = Rooms(Vault.open(tmp_path / "v"), tiny)
    rooms.disclosure.accept()
    window = MainWindow(rooms.chat, rooms.journal, rooms.disclosure, is_starter=True)
    qtbot.addWidget(window)
    window.show()
    with qtbot.waitSignal(rooms.chat.answered):
        window.box.setPlainText(GRAVE)
        window.box.submit()
    window._show_noticed()
    dialog = window.findChild(NoticedDialog)
    assert dialog
    assert dialog.list.count() == 1
    assert "danger: thoughts of dying" in dialog.list.item(0).text()
    dialog.list.setCurrentRow(0)
    dialog.delete.click()
    assert dialog.list.count() == 0
    assert rooms.desk.noticed.events() == []
    assert GRAVE in window.transcript.toPlainText()
    dialog.reject()
    rooms.close()


def test_a_deleted_talk_takes_what_was_noticed_along(tmp_path: Path, tiny: Path) -> None:
    folder = ("--data-dir", tmp_path / "v")
    run("quietroom", "talk", *folder, "--model", tiny, stdin=f"{GRAVE}\n".encode())
    talk = run("quietroom", "sessions", *folder).stdout.decode().split("\t")[0]
    run("quietroom", "bin", "put", talk, *folder)
    run("quietroom", "bin", "empty", *folder)
    assert run("quietroom", "noticed", *folder).stdout == b""


def test_our_programs_leave_no_core_dump(tmp_path: Path, tiny: Path) -> None:
    with Talk(tmp_path / "v", tiny) as talk:
        talk.write(b"hello\n")
        talk.wait_for()
        for pid in (talk.process.pid, talk.engine_pid()):
            limits = Path(f"/proc/{pid}/limits").read_text("ascii").splitlines()
            (line,) = [one for one in limits if one.startswith("Max core file size")]
            assert line.split()[4:6] == ["0", "0"]
            # What may not be dumped belongs to root in /proc, whoever runs it.
            assert Path(f"/proc/{pid}/environ").stat().st_uid == 0
