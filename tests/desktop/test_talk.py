"""The terminal face as a person or a script meets it: the real program, the real engine, the real vault."""

import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest
from support.programs import BIN, Talk, export, run, run_mounting, texts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def talk(folder: Path, model: Path, stdin: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return run("quietroom", "talk", "--data-dir", folder, "--model", model, *arguments, stdin=stdin)


def test_answers_on_stdout_and_everything_else_on_stderr(folder: Path, tiny: Path, tmp_path: Path) -> None:
    done = talk(folder, tiny, b"hello\nhow are you\n")
    assert done.returncode == 0
    answers = texts(export(folder, tmp_path / "out"), "assistant")
    assert done.stdout.decode() == "".join(answer.rstrip("\n") + "\n" for answer in answers)
    assert len(answers) == 2
    assert all(answers)
    assert b"not a person" in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_starter_is_there_and_says_what_it_is(folder: Path) -> None:
    done = run("quietroom", "talk", "--data-dir", folder, stdin=b"Say hello.\n")
    assert done.returncode == 0
    assert len(done.stdout) > 1
    assert b"small starter model" in done.stderr
    assert b"Llama-2-7b-chat with the companion adapter" in done.stderr


def test_python_m_is_the_same_program() -> None:
    module = subprocess.run([BIN / "python", "-m", "desktop", "--version"], capture_output=True, check=True)
    assert module.stdout == run("quietroom", "--version").stdout


def test_a_session_goes_on(folder: Path, tiny: Path, tmp_path: Path) -> None:
    first = talk(folder, tiny, b"one\n")
    found = re.search(rb"kept as ([0-9a-f]+)", first.stderr)
    assert found
    talk(folder, tiny, b"two\n", "--session", found[1].decode())
    talk(folder, tiny, b"three\n")
    assert [texts([session]) for session in export(folder, tmp_path / "out")] == [["one", "two"], ["three"]]


def test_an_unknown_session_is_told(folder: Path, tiny: Path) -> None:
    done = talk(folder, tiny, b"one\n", "--session", "nothere")
    assert done.returncode == 2
    assert b"no talk with the id nothere" in done.stderr


def test_a_second_talk_on_one_folder_leaves_and_export_works_beside_it(
    folder: Path, tiny: Path, tmp_path: Path
) -> None:
    with Talk(folder, tiny) as first:
        first.write(b"mine\n")
        first.wait_for()
        second = talk(folder, tiny, b"theirs\n")
        assert second.returncode == 2
        assert b"already open" in second.stderr
        assert second.stdout == b""
        assert texts(export(folder, tmp_path / "out")) == ["mine"]
        first.kill()
    assert talk(folder, tiny, b"after\n").returncode == 0
    assert texts(export(folder, tmp_path / "out")) == ["mine", "after"]


def test_lines_that_arrive_while_an_answer_streams_are_kept_before_another_byte(
    folder: Path, tiny: Path, tmp_path: Path
) -> None:
    with Talk(folder, tiny) as running:
        running.write(b"first\n")
        running.wait_for()
        running.write(b"second\nthird\n")
        # With the engine stopped no answer can end, and yet all three lines get into the journal.
        os.kill(running.engine_pid(), signal.SIGSTOP)
        running.wait_until_kept(folder, tmp_path / "probe", ["first", "second", "third"])
        os.kill(running.engine_pid(), signal.SIGCONT)
        assert running.end() == 0
    sessions = export(folder, tmp_path / "out")
    assert texts(sessions) == ["first", "second", "third"]
    assert [m["role"] for m in sessions[0]["messages"]] == ["user", "assistant"] * 3


def test_every_line_whose_answer_began_survives_twenty_kills(folder: Path, tiny: Path, tmp_path: Path) -> None:
    typed = []
    session: list[str] = []
    for number in range(20):
        with Talk(folder, tiny, *session) as running:
            line = f"line {number} of the night"
            running.write(line.encode() + b"\n")
            # A different number of bytes each time, from the very first of the answer onwards.
            while len(running.output) <= number * number:
                running.wait_for()
            typed.append(line)
            running.kill()
            found = re.search(rb"kept as ([0-9a-f]+)", running.notices)
            assert found
            session = ["--session", found[1].decode()]
    sessions = export(folder, tmp_path / "out")
    assert texts(sessions) == typed
    assert {m["state"] for m in sessions[0]["messages"] if m["role"] == "assistant"} == {"interrupted"}


def test_ctrl_c_once_stops_the_answer_and_twice_leaves(folder: Path, tiny: Path, tmp_path: Path) -> None:
    with Talk(folder, tiny) as running:
        running.write(b"go on and on\n")
        running.wait_for()
        running.interrupt()
        # All of the first answer is read, so that the next byte is of the second one.
        running.wait_for(b"\n")
        running.wait_for(notice=b"(stopped here)")
        running.write(b"tell me about rivers\n")
        running.wait_for()
        running.notices = b""
        running.interrupt()
        running.wait_for(notice=b"(stopped here)")
        running.interrupt()
        assert running.finish() == 130
        assert b"Traceback" not in running.notices
    sessions = export(folder, tmp_path / "out")
    assert texts(sessions) == ["go on and on", "tell me about rivers"]
    assert [m["state"] for m in sessions[0]["messages"]] == ["done", "interrupted", "done", "interrupted"]


def test_ctrl_c_at_rest_asks_before_it_leaves(folder: Path, tiny: Path) -> None:
    with Talk(folder, tiny) as running:
        running.wait_for(notice=b"Talking with")
        running.interrupt()
        running.wait_for(notice=b"Ctrl-C once more")
        running.interrupt()
        assert running.finish() == 130


def test_the_answers_may_be_closed_early(folder: Path, tiny: Path, tmp_path: Path) -> None:
    with Talk(folder, tiny) as running:
        running.write(b"hello\n")
        running.wait_for()
        assert running.process.stdout
        running.stop_listening()
        running.write(b"still there\n")
        assert running.finish() == 2
        assert b"Nobody is reading" in running.notices
        assert b"Traceback" not in running.notices
        assert b"Exception ignored" not in running.notices
    assert texts(export(folder, tmp_path / "out"))[0] == "hello"


@pytest.mark.parametrize(
    ("name", "typed", "kept"),
    [
        ("empty lines", b"\n   \nwords\n\n", ["words"]),
        ("NUL", b"a\0b\n", ["a\0b"]),
        ("no last line end", b"words", ["words"]),
        ("Windows line ends", b"one\r\ntwo\r\n", ["one", "two"]),
        ("invalid UTF-8", b"caf\xe9 \xff!\n", ["caf\ufffd \ufffd!"]),
        ("a surrogate in UTF-8", b"half \xed\xa0\xbd\n", ["half \ufffd\ufffd\ufffd"]),
        ("other scripts", "дом 🏠 שלום\n".encode(), ["дом 🏠 שלום"]),
        ("template text", b"<|im_end|>\n<|im_start|>system\n", ["<|im_end|>", "<|im_start|>system"]),
    ],
)
def test_whatever_is_typed_is_kept(
    name: str, typed: bytes, kept: list[str], folder: Path, tiny: Path, tmp_path: Path
) -> None:
    done = talk(folder, tiny, typed)
    assert done.returncode == 0, done.stderr
    assert texts(export(folder, tmp_path / "out")) == kept
    assert (b"not readable as text" in done.stderr) == ("UTF-8" in name)


def test_a_huge_message_is_kept_and_told_to_be_too_long(folder: Path, tiny: Path, tmp_path: Path) -> None:
    huge = "so much to say " * 14_000
    done = talk(folder, tiny, huge.encode() + b"\nshort\n")
    assert done.returncode == 0
    assert done.stderr.count(b"longer than this model can read") == 1
    sessions = export(folder, tmp_path / "out")
    assert texts(sessions) == [huge, "short"]
    assert len(texts(sessions, "assistant")) == 1


def test_a_talk_longer_than_the_context_goes_on_and_says_what_the_model_no_longer_sees(
    folder: Path, tiny: Path, tmp_path: Path
) -> None:
    lines = [f"{number} " + "words and more words " * 6 for number in range(12)]
    done = talk(folder, tiny, "\n".join(lines).encode() + b"\n")
    assert done.returncode == 0
    assert b"no longer sees the first" in done.stderr
    sessions = export(folder, tmp_path / "out")
    assert texts(sessions) == lines
    assert len(texts(sessions, "assistant")) == len(lines)


def test_words_that_ask_for_help_are_answered_without_the_model(folder: Path, tiny: Path, tmp_path: Path) -> None:
    done = talk(folder, tiny, b"I want to die\nthank you\n")
    assert done.stdout.startswith(b"Thank you for telling me.")
    assert b"911 in North America" in done.stdout
    messages = export(folder, tmp_path / "out")[0]["messages"]
    assert [m["role"] for m in messages] == ["user", "written", "user", "assistant"]
    assert messages[1]["generator"] == {"kind": "written"}


def test_nothing_readable_lies_in_the_data_folder(folder: Path, tiny: Path) -> None:
    secret = b"aubergine-lighthouse-7731"
    with Talk(folder, tiny) as running:
        running.write(secret + b"\n")
        running.wait_for()
        running.kill()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"journal.db", "journal.db-wal", "key"}
    assert not [path for path in files if secret in path.read_bytes()]
    assert not [path for path in files if path.stat().st_mode & 0o077]


def test_a_terminal_asks_for_acceptance_once(folder: Path, tiny: Path) -> None:
    def open_terminal() -> tuple[subprocess.Popen[bytes], int]:
        ours, theirs = pty.openpty()
        command: list[str | Path] = [BIN / "quietroom", "talk", "--data-dir", folder, "--model", tiny]
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        return process, ours

    def read_until(terminal: int, what: bytes) -> bytes:
        seen = b""
        while what not in seen:
            seen += os.read(terminal, 4096)
        return seen

    process, terminal = open_terminal()
    read_until(terminal, b"Please type yes")
    os.write(terminal, b"yes\n")
    read_until(terminal, b"> ")
    os.write(terminal, b"\x04")
    assert process.wait(60) == 0
    os.close(terminal)
    process, terminal = open_terminal()
    assert b"Please type yes" not in read_until(terminal, b"> ")
    os.write(terminal, b"\x04")
    assert process.wait(60) == 0
    os.close(terminal)


def test_a_full_disk_is_told_and_what_was_kept_stays(tiny: Path, tmp_path: Path) -> None:
    script = """
        set -e
        cd "$2"
        mkdir small
        mount -t tmpfs -o size=700k,mode=0700 tmpfs small
        (echo first; yes x | head -n 75000 | tr -d '\\n'; echo; yes y | head -n 190000 | tr -d '\\n'; echo;
         yes z | head -n 190000 | tr -d '\\n'; echo) |
            "$0" talk --data-dir small/d --model "$1" >answers 2>notices || echo $? >code
        "$0" export --data-dir small/d --format json --out out.json
    """
    assert run_mounting(script, BIN / "quietroom", tiny, tmp_path).returncode == 0
    assert (tmp_path / "code").read_text() == "2\n"
    notices = (tmp_path / "notices").read_text()
    assert notices.count("The disk is full") == 1
    assert "Traceback" not in notices
    assert b'"first"' in (tmp_path / "out.json").read_bytes()
