"""A model that says what it may not, through the real flow: what is painted, and what is on the disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.companions import companion
from desktop.engine.client import EngineClient
from desktop.engine.protocol import Sampling, Turn
from desktop.flows.chat import ChatFlow
from desktop.records import Message, ModelIdentity, Role
from desktop.safety.screen import screen
from desktop.store.chats import Chats
from desktop.store.database import Vault


class Talkative(EngineClient):
    """Says what it was told to, a few letters at a time, instead of asking a child."""

    says = ""

    def generate(self, turns: list[Turn], sampling: Sampling, max_tokens: int) -> None:
        self.loaded.emit(ModelIdentity("talkative", "0" * 64))
        for start in range(0, len(self.says), 3):
            self.token.emit(self.says[start : start + 3])
        self.finished.emit("end", 0)


class Talk:
    def __init__(self, folder: Path) -> None:
        self.vault = Vault.open(folder)
        self.engine = Talkative(folder / "none.gguf", lambda _: None)
        self.flow = ChatFlow(Chats(self.vault), self.engine, companion("quietroom"), screen)
        self.painted: list[str] = []
        self.flow.answer_grew.connect(self.painted.append)

    def ask(self, qtbot: QtBot, answer: str) -> Message:
        """The answer as it was kept, read back through another connection."""
        self.engine.says = answer
        self.painted.clear()
        with qtbot.waitSignal(self.flow.settled, timeout=10_000):
            self.flow.send("I slept badly and work was long.")
        beside = Vault.open_beside(self.vault.folder)
        assert self.flow.session_id
        kept = list(Chats(beside).messages(self.flow.session_id))[-1]
        beside.close()
        return kept


@pytest.fixture
def talk(tmp_path: Path, qtbot: QtBot) -> Iterator[Talk]:
    one = Talk(tmp_path / "v")
    yield one
    one.flow.leave()
    one.engine.close()
    one.vault.close()


def test_S3_a_forbidden_sentence_is_neither_painted_nor_kept_and_the_rest_goes_on(talk: Talk, qtbot: QtBot) -> None:
    kept = talk.ask(qtbot, "That is a long day. You have depression. What helps you rest?")
    painted = "".join(talk.painted)
    assert kept.role == Role.ASSISTANT
    assert kept.text == painted
    assert "You have depression" not in painted
    assert painted.startswith("That is a long day. ")
    assert painted.endswith("What helps you rest?")
    assert talk.painted[0] == "That is a long day. "


def test_S2_S6_a_claim_to_be_human_is_answered_in_other_words_each_time(talk: Talk, qtbot: QtBot) -> None:
    first = talk.ask(qtbot, "I am a licensed therapist.")
    second = talk.ask(qtbot, "I am a licensed therapist.")
    assert "program" in first.text
    assert "program" in second.text
    assert first.text != second.text


def test_a_good_answer_is_kept_letter_by_letter(talk: Talk, qtbot: QtBot) -> None:
    answer = "That sounds tiring.\n\nWhat kept you up: the heat, or the thoughts?  "
    assert talk.ask(qtbot, answer).text == answer
    assert "".join(talk.painted) == answer
