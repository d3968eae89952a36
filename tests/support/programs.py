"""The two programs as a person starts them, spoken to over pipes. Waits for events, never for time to pass."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
PATIENCE = 60.0


def run(program: str, *arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Runs `program` (quietroom or quietroom-convert) to its end."""
    return subprocess.run([BIN / program, *arguments], input=stdin, capture_output=True, timeout=PATIENCE, check=False)


def run_mounting(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Runs a shell script that may mount file systems of its own, root or not; `arguments` become $0, $1, ..."""
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    return subprocess.run([*namespace, *arguments], capture_output=True, timeout=PATIENCE, check=False)


def export(folder: Path, out: Path) -> list[dict[str, Any]]:
    """The sessions of the journal in `folder`, as `quietroom export` gives them."""
    done = run("quietroom", "export", "--data-dir", folder, "--format", "json", "--out", out, "--overwrite")
    assert done.returncode == 0, done.stderr
    sessions: list[dict[str, Any]] = json.loads(out.read_bytes())["sessions"]
    return sessions


def texts(sessions: list[dict[str, Any]], role: str = "user") -> list[str]:
    """What was said by `role`, in order."""
    return [m["text"] for session in sessions for m in session["messages"] if m["role"] == role]


class Talk:
    """`quietroom talk` in a process group of its own."""

    def __init__(self, folder: Path, model: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [BIN / "quietroom", "talk", "--data-dir", folder, "--model", model, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout
        assert self.process.stderr
        self._out = self.process.stdout.fileno()
        self._open = [self._out, self.process.stderr.fileno()]
        self.output = b""
        self.notices = b""

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue

    def write(self, data: bytes) -> None:
        """Types."""
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def wait_for(self, what: bytes = b"", *, notice: bytes = b"") -> None:
        """Reads on until `what` is in the answers (any new byte, if empty) or `notice` among the notices."""
        before = len(self.output)

        def heard() -> bool:
            if notice:
                return notice in self.notices
            return what in self.output[before:] if what else len(self.output) > before

        deadline = time.monotonic() + PATIENCE
        while not heard():
            assert self._read(deadline), (self.output, self.notices)

    def end(self) -> int:
        """Ends the input and waits for the end of the talk."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.finish()

    def finish(self) -> int:
        """Reads all there is and gives the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE)

    def wait_until_kept(self, folder: Path, out: Path, lines: list[str]) -> None:
        """Waits until just these lines are in the journal."""
        deadline = time.monotonic() + PATIENCE
        while texts(export(folder, out)) != lines:
            assert time.monotonic() < deadline

    def stop_listening(self) -> None:
        """Closes the answers' end, as `head` does."""
        assert self.process.stdout
        self._open.remove(self._out)
        self.process.stdout.close()

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal sends it: to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)

    def hold_engine_at_first_word(self) -> None:
        """Lets the engine run in short steps until a word of an answer is there, and leaves it stopped."""
        engine, before = self.engine_pid(), len(self.output)
        # It runs only where nobody else wants to, so that a step stays short on a busy machine.
        os.sched_setscheduler(engine, os.SCHED_IDLE, os.sched_param(0))
        deadline = time.monotonic() + PATIENCE
        while len(self.output) == before:
            os.kill(engine, signal.SIGCONT)
            ready, _, _ = select.select(self._open, [], [], 0.002)
            os.kill(engine, signal.SIGSTOP)
            assert time.monotonic() < deadline, (self.output, self.notices)
            if ready:
                assert self._read(deadline)

    def engine_pid(self) -> int:
        """The engine child's process id."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii").split()
        return int(children[0])

    def _read(self, deadline: float) -> bool:
        """Takes what comes; False once both ends are closed."""
        if not self._open:
            return False
        ready, _, _ = select.select(self._open, [], [], max(deadline - time.monotonic(), 0))
        assert ready, ("nothing came", self.output, self.notices)
        for pipe in ready:
            data = os.read(pipe, 1 << 16)
            if not data:
                self._open.remove(pipe)
            elif pipe == self._out:
                self.output += data
            else:
                self.notices += data
        return True
