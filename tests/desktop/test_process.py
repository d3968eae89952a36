"""The one process wrapper, and the Qt binding under it."""

import sys

from PySide6.QtCore import QObject, Signal
from pytestqt.qtbot import QtBot

from desktop.process import JsonProcess


class Emitter(QObject):
    happened = Signal(bool)


def test_signals_do_not_wear_out_true(qtbot: QtBot) -> None:
    """PySide6 6.12.0 loses a reference to True with each emit and aborts after some hundred."""
    emitter = Emitter()
    heard: list[bool] = []
    emitter.happened.connect(heard.append)
    before = sys.getrefcount(True)
    for _ in range(2000):
        emitter.happened.emit(True)
    heard.clear()
    assert abs(sys.getrefcount(True) - before) < 100


def test_a_child_that_cannot_speak_json_is_ended(qtbot: QtBot) -> None:
    process = JsonProcess("this")  # the standard library's module that prints a poem
    with qtbot.waitSignal(process.ended):
        process.start()
    assert not process.is_running


def test_a_child_that_does_not_exist_is_told(qtbot: QtBot) -> None:
    process = JsonProcess("desktop.nothing_of_this_name")
    with qtbot.waitSignal(process.ended):
        process.start()
