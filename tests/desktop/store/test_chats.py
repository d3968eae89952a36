"""What was said, kept and given back."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desktop.records import Message, ModelIdentity, Role, State
from desktop.settings import Settings
from desktop.store.chats import Chats
from desktop.store.database import Vault
from desktop.store.preferences import Preferences

TIME = "2026-11-24T00:00:00.000000Z"


def message(number: int, role: Role, reply_to: str | None = None, state: State = State.DONE) -> Message:
    model = ModelIdentity("tiny", "ab" * 32) if role == Role.ASSISTANT else None
    return Message(f"m{number}", "s", role, f"text {number}", state, TIME, reply_to, model)


def test_an_answer_stands_behind_its_question_although_later_lines_came_first(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    chats = Chats(vault)
    chats.start("s", "one", TIME)
    for said in (
        message(1, Role.USER),
        message(2, Role.USER),
        message(3, Role.ASSISTANT, "m1"),
        message(4, Role.ASSISTANT, "m2"),
    ):
        chats.add(said)
    assert [m.id for m in chats.messages("s")] == ["m1", "m3", "m2", "m4"]
    assert next(m for m in chats.messages("s") if m.id == "m3") == message(3, Role.ASSISTANT, "m1")
    vault.close()


def test_a_clock_set_back_changes_no_order(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    chats = Chats(vault)
    chats.start("s", "one", TIME)
    chats.add(Message("late", "s", Role.USER, "a", State.DONE, "2027-01-01T00:00:00.000000Z"))
    chats.add(Message("early", "s", Role.USER, "b", State.DONE, "2020-01-01T00:00:00.000000Z"))
    assert [m.id for m in chats.messages("s")] == ["late", "early"]
    vault.close()


def test_an_answer_grows_and_ends(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    chats = Chats(vault)
    chats.start("s", "one", TIME)
    chats.add(message(1, Role.USER))
    chats.add(message(2, Role.ASSISTANT, "m1", State.INTERRUPTED))
    chats.update("m2", "more", State.DONE)
    assert [(m.text, m.state) for m in chats.messages("s")][1] == ("more", State.DONE)
    vault.close()


def test_titles_are_the_first_words(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path)
    chats = Chats(vault)
    assert chats.start("a", "  two\nlines\0 ", TIME).title == "two lines"
    assert chats.start("b", "word " * 50, TIME).title == "word " * 11 + "word…"
    assert {session.id for session in chats.sessions()} == {"a", "b"}
    assert len(chats.sessions(1)) == 1
    vault.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_any_text_comes_back_to_the_letter(tmp_path: Path, texts: list[str]) -> None:
    vault = Vault.open(tmp_path)
    chats = Chats(vault)
    name = f"s{len(chats.sessions())}"
    chats.start(name, texts[0], TIME)
    for number, text in enumerate(texts):
        chats.add(Message(f"{name}-{number}", name, Role.USER, text, State.DONE, TIME))
    vault.close()
    again = Vault.open(tmp_path)
    assert [m.text for m in Chats(again).messages(name)] == texts
    again.close()


def test_settings_and_hashes_are_remembered(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"1")
    vault = Vault.open(tmp_path / "v")
    preferences = Preferences(vault)
    assert preferences.load() == Settings()
    preferences.save(Settings(disclosure_accepted_at=TIME))
    assert preferences.load() == Settings(disclosure_accepted_at=TIME)
    assert preferences.known_sha256(model) is None
    preferences.keep_sha256(model, "ab")
    assert preferences.known_sha256(model) == "ab"
    model.write_bytes(b"12")
    assert preferences.known_sha256(model) is None
    assert preferences.known_sha256(tmp_path / "nothing") is None
    vault.close()
