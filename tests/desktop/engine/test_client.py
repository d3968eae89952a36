"""The engine as the window has it: a real child, a real model, and what happens when either goes wrong."""

import os
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.engine.client import EngineClient
from desktop.engine.header import free_bytes
from desktop.engine.protocol import Sampling, Turn
from desktop.errors import UserError

GREEDY = Sampling(temperature=0.0, top_p=1.0, min_p=0.0, repeat_penalty=1.0, seed=1)
HELLO = [Turn(role="user", content="hello")]
Make = Callable[..., EngineClient]


@pytest.fixture
def make(qtbot: QtBot) -> Iterator[Make]:
    made: list[EngineClient] = []

    def client(model: Path, silence_ms: int = 30_000) -> EngineClient:
        made.append(EngineClient(model, lambda _: None, silence_ms))
        return made[-1]

    yield client
    for one in made:
        one.close()


def answer(engine: EngineClient, qtbot: QtBot, turns: list[Turn], max_tokens: int = 60) -> tuple[str, str]:
    """The text and how it ended."""
    pieces: list[str] = []
    engine.token.connect(pieces.append)
    with qtbot.waitSignal(engine.finished, timeout=30_000) as ended:
        engine.generate(turns, GREEDY, max_tokens)
    engine.token.disconnect(pieces.append)
    assert ended.args
    return "".join(pieces), ended.args[0]


def failure(engine: EngineClient, qtbot: QtBot, act: Callable[[], None]) -> UserError:
    with qtbot.waitSignal(engine.failed, timeout=30_000) as failed:
        act()
    assert failed.args
    error = failed.args[0]
    assert isinstance(error, UserError)
    return error


def test_an_answer_streams_in_whole_characters(make: Make, tiny: Path, qtbot: QtBot) -> None:
    engine = make(tiny)
    pieces: list[str] = []
    engine.token.connect(pieces.append)
    text, reason = answer(engine, qtbot, HELLO, 120)
    assert reason == "length"
    assert "🙂" in text
    assert "日" in text
    assert "\ufffd" not in text
    assert len(pieces) > 40


def test_the_same_prompt_gives_the_same_text_from_a_warm_cache(make: Make, tiny: Path, qtbot: QtBot) -> None:
    engine = make(tiny)
    first = answer(engine, qtbot, HELLO)
    longer = [*HELLO, Turn(role="assistant", content="hi"), Turn(role="user", content="more")]
    answer(engine, qtbot, longer)
    assert answer(engine, qtbot, HELLO) == first
    assert answer(make(tiny), qtbot, longer) == answer(engine, qtbot, longer)


def test_a_stop_ends_the_answer_and_the_next_one_is_whole(make: Make, tiny: Path, qtbot: QtBot) -> None:
    engine = make(tiny)
    engine.token.connect(engine.stop)
    text, reason = answer(engine, qtbot, HELLO, 4000)
    assert reason == "stopped"
    assert len(text) < 4000
    engine.token.disconnect(engine.stop)
    assert answer(engine, qtbot, HELLO)[1] == "length"


def test_a_stop_before_the_model_is_loaded_is_heard(make: Make, tiny: Path, qtbot: QtBot) -> None:
    engine = make(tiny)
    with qtbot.waitSignal(engine.finished) as ended:
        engine.generate(HELLO, GREEDY, 50)
        engine.stop()
    assert ended.args == ["stopped", 0]
    assert answer(engine, qtbot, HELLO)[1] == "length"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_a_dead_child_is_told_and_the_next_message_starts_another(
    how: signal.Signals, make: Make, tiny: Path, qtbot: QtBot
) -> None:
    engine = make(tiny)
    with qtbot.waitSignal(engine.token):
        engine.generate(HELLO, GREEDY, 4000)
    old = engine.pid
    assert failure(engine, qtbot, lambda: os.kill(old, how)).code == "engine_ended"
    assert answer(engine, qtbot, HELLO)[1] == "length"
    assert engine.pid != old


def test_a_child_that_hangs_is_told_and_ended(make: Make, tiny: Path, qtbot: QtBot) -> None:
    engine = make(tiny, 500)
    with qtbot.waitSignal(engine.token):
        engine.generate(HELLO, GREEDY, 4000)
    old = engine.pid
    assert failure(engine, qtbot, lambda: os.kill(old, signal.SIGSTOP)).code == "engine_silent"
    with pytest.raises(ProcessLookupError):
        os.kill(old, 0)
    assert answer(engine, qtbot, HELLO)[1] == "length"


def test_a_child_at_rest_is_not_taken_for_hung(make: Make, tiny: Path, qtbot: QtBot) -> None:
    engine = make(tiny, 300)
    answer(engine, qtbot, HELLO)
    with qtbot.assertNotEmitted(engine.failed, wait=900):
        pass


def test_the_child_ends_with_its_parent(tiny: Path, tmp_path: Path) -> None:
    from support.programs import Talk

    with Talk(tmp_path / "d", tiny) as talk:
        talk.write(b"hello\n")
        talk.wait_for()
        child = os.pidfd_open(talk.engine_pid())
        os.kill(talk.process.pid, signal.SIGKILL)
        import select

        assert select.select([child], [], [], 30)[0]
        os.close(child)


def test_bad_model_files_are_told(make: Make, tiny: Path, tmp_path: Path, qtbot: QtBot) -> None:
    whole = tiny.read_bytes()
    bad = {
        "model_missing": None,
        "model_not_gguf": b"this is a letter, not a model",
        "model_truncated": whole[: len(whole) // 2],
        "model_unknown_architecture": whole.replace(b"llama", b"lemon"),
    }
    for code, content in bad.items():
        path = tmp_path / f"{code}.gguf"
        if content is not None:
            path.write_bytes(content)
        engine = make(path)
        assert failure(engine, qtbot, engine.start).code == code


def test_a_model_larger_than_memory_is_refused_before_it_is_loaded(make: Make, tmp_path: Path, qtbot: QtBot) -> None:
    def string(text: bytes) -> bytes:
        return struct.pack("<Q", len(text)) + text

    rows = free_bytes() // 4
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1)
    head += string(b"general.architecture") + struct.pack("<I", 8) + string(b"llama")
    head += string(b"token_embd.weight") + struct.pack("<IQQIQ", 2, 1, rows, 0, 0)
    path = tmp_path / "huge.gguf"
    path.write_bytes(head)
    os.truncate(path, len(head) + 32 + rows * 4)
    engine = make(path)
    assert failure(engine, qtbot, engine.start).code == "model_too_large"


def test_damaged_models_never_take_the_window_along(make: Make, tiny: Path, tmp_path: Path, qtbot: QtBot) -> None:
    import random

    source = random.Random(3)
    whole = tiny.read_bytes()
    for number in range(8):
        data = bytearray(whole)
        for _ in range(20):
            data[source.randrange(24, 3000)] = source.randrange(256)
        path = tmp_path / f"{number}.gguf"
        path.write_bytes(data)
        engine = make(path)
        # Refused or answered: either way there is an outcome, and a window to see it.
        outcomes: list[object] = []
        engine.failed.connect(outcomes.append)
        engine.finished.connect(outcomes.append)
        engine.generate(HELLO, GREEDY, 20)
        while not outcomes:
            with qtbot.waitSignals([engine.failed, engine.finished], timeout=200, raising=False):
                pass
