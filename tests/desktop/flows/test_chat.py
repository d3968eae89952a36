"""A talk's flow with a real vault and a real engine; the screen on the disk is read back through a second door."""

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop import i18n
from desktop.companions import companion
from desktop.engine.client import EngineClient
from desktop.engine.protocol import Sampling, Turn
from desktop.errors import UserError
from desktop.flows.chat import ChatFlow
from desktop.records import Message, Role, State
from desktop.safety.screen import screen
from desktop.safety.verdict import Said, Screen, Verdict
from desktop.store.chats import Chats
from desktop.store.database import Vault


class Room:
    """A flow, what it told, and the vault behind it."""

    def __init__(self, folder: Path, model: Path, chosen: Screen = screen) -> None:
        self.vault = Vault.open(folder)
        self.engine = EngineClient(model, lambda _: None)
        self.flow = ChatFlow(Chats(self.vault), self.engine, companion("quietroom"), chosen)
        self.errors: list[UserError] = []
        self.answers: list[Message] = []
        self.flow.failed.connect(self.errors.append)
        self.flow.answered.connect(self.answers.append)

    def kept(self) -> list[tuple[str, State]]:
        """What another process would find now: (text, state) in the order of the talk."""
        beside = Vault.open_beside(self.vault.folder)
        chats = Chats(beside)
        found = [(m.text, m.state) for session in chats.sessions() for m in chats.messages(session.id)]
        beside.close()
        return found

    def close(self) -> None:
        self.flow.leave()
        self.engine.close()
        self.vault.close()


@pytest.fixture
def room(tmp_path: Path, tiny: Path, qtbot: QtBot) -> Iterator[Room]:
    one = Room(tmp_path / "v", tiny)
    yield one
    one.close()


def test_words_are_on_the_disk_before_anything_is_told_or_asked(room: Room, qtbot: QtBot) -> None:
    found: list[list[tuple[str, State]]] = []
    room.flow.saved.connect(lambda _: found.append(room.kept()))
    room.flow.send("hello")
    assert found == [[("hello", State.DONE)]]
    assert room.engine.pid == 0


def test_an_answer_is_kept_as_it_ended(room: Room, qtbot: QtBot) -> None:
    pieces: list[str] = []
    room.flow.answer_grew.connect(pieces.append)
    with qtbot.waitSignal(room.flow.answered, timeout=30_000):
        room.flow.send("hello")
    assert room.kept()[1] == ("".join(pieces), State.DONE)
    (answer,) = room.answers
    assert answer.model
    assert answer.model.sha256
    assert answer.model.name


def test_an_answer_under_way_is_on_the_disk_and_marked(room: Room, qtbot: QtBot) -> None:
    with qtbot.waitSignal(room.flow.answer_grew, timeout=30_000):
        room.flow.send("hello")
    text, state = room.kept()[1]
    assert text
    assert state == State.INTERRUPTED


def test_a_growing_answer_is_kept_again_and_again(room: Room, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    room.flow._keep.setInterval(1)
    room.flow._keep.timeout.connect(lambda: seen.append(len(room.kept()[1][0])))
    with qtbot.waitSignal(room.flow.answered, timeout=30_000):
        room.flow.send("hello")
    assert seen == sorted(seen)
    assert len(set(seen)) > 2


def test_messages_sent_together_are_answered_in_order(room: Room, qtbot: QtBot) -> None:
    with qtbot.waitSignals([room.flow.answered] * 3, timeout=30_000):
        for text in ("one", "two", "three"):
            room.flow.send(text)
    assert [text for text, _ in room.kept()][::2] == ["one", "two", "three"]


def test_a_stopped_answer_is_kept_as_far_as_it_came(room: Room, qtbot: QtBot) -> None:
    room.flow.answer_grew.connect(room.flow.stop)
    with qtbot.waitSignal(room.flow.answered, timeout=30_000):
        room.flow.send("hello")
    assert room.answers[0].state == State.INTERRUPTED
    assert room.kept()[1] == (room.answers[0].text, State.INTERRUPTED)


def test_a_killed_engine_leaves_half_an_answer_one_sentence_and_a_talk_that_goes_on(room: Room, qtbot: QtBot) -> None:
    with qtbot.waitSignal(room.flow.answer_grew, timeout=30_000):
        room.flow.send("hello")
    with qtbot.waitSignal(room.flow.answered):
        os.kill(room.engine.pid, signal.SIGKILL)
    assert [error.code for error in room.errors] == ["engine_ended"]
    assert room.kept()[1] == (room.answers[0].text, State.INTERRUPTED)
    with qtbot.waitSignal(room.flow.answered, timeout=30_000):
        room.flow.send("again")
    assert room.answers[1].state == State.DONE


def test_leaving_for_another_talk_keeps_half_an_answer_and_takes_no_words_along(room: Room, qtbot: QtBot) -> None:
    with qtbot.waitSignal(room.flow.answer_grew, timeout=30_000):
        room.flow.send("hello")
    first = room.flow.session_id
    assert room.flow.open(None) == []
    assert room.answers[0].state == State.INTERRUPTED
    with qtbot.waitSignal(room.flow.answered, timeout=30_000):
        room.flow.send("another")
    assert room.answers[1].session_id != first
    assert first
    assert [m.text for m in room.flow.open(first)] == ["hello", room.answers[0].text]


def test_a_failing_screen_ends_in_help_and_not_in_the_model(tmp_path: Path, tiny: Path, qtbot: QtBot) -> None:
    def broken(_: Sequence[Said]) -> Verdict:
        raise RuntimeError("a bug")

    room = Room(tmp_path / "v", tiny, broken)
    with qtbot.waitSignal(room.flow.answered):
        room.flow.send("hello")
    assert room.answers[0].role == Role.WRITTEN
    assert room.answers[0].text == i18n.text("written.failed")
    assert room.engine.pid == 0
    room.close()


def test_lone_surrogates_and_white_space(room: Room, qtbot: QtBot) -> None:
    room.flow.send("   \n")
    assert room.kept() == []
    room.flow.send("half \ud83d, whole \ud83d\ude42")
    assert room.kept()[0][0] == "half \ufffd, whole 🙂"


class Listening(EngineClient):
    """An engine that keeps what it was asked and answers as it was told."""

    def __init__(self, model: Path, *answers: str) -> None:
        super().__init__(model, lambda _: None)
        self.asked: list[list[Turn]] = []
        self._answers = list(answers)

    def generate(self, turns: list[Turn], sampling: Sampling, max_tokens: int) -> None:
        self.asked.append(turns)
        for letter in self._answers.pop(0):
            self.token.emit(letter)
        self.finished.emit("end", 0)


def test_S3_S4_a_crisis_is_answered_by_us_and_care_lasts(tmp_path: Path, tiny: Path, qtbot: QtBot) -> None:
    vault = Vault.open(tmp_path / "v")
    engine = Listening(tiny, "I am here. You have depression. Who could come?", *["Yes."] * 6)
    flow = ChatFlow(Chats(vault), engine, companion("quietroom"), screen, lambda: "GB")
    answers: list[Message] = []
    flow.answered.connect(answers.append)

    def say(text: str) -> None:
        with qtbot.waitSignal(flow.settled, timeout=30_000):
            flow.send(text)

    say("I am going to kill myself tonight.")
    assert engine.asked == []
    assert answers[0].role == Role.WRITTEN
    assert "999" in answers[0].text
    say("I am safe now, my brother is here.")
    assert engine.asked[0][-1]["content"].startswith(companion("quietroom").supportive)
    assert engine.asked[0][-1]["content"].endswith("I am safe now, my brother is here.")
    assert "depression" not in answers[1].text
    assert [m.text for m in Chats(vault).messages(flow.session_id or "")][-1] == answers[1].text
    for _ in range(5):
        say("We are having tea.")
    assert engine.asked[-1][-1]["content"] == "We are having tea."
    flow.leave()
    vault.close()
