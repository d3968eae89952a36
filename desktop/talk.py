"""The terminal face: lines in, answers out, over the same flows as the window. stdout carries answers alone."""

import os
import select
import signal
from collections.abc import Callable
from types import FrameType

from PySide6.QtCore import QCoreApplication, QObject, QSocketNotifier

from desktop import i18n
from desktop.errors import UserError
from desktop.flows.chat import ChatFlow
from desktop.flows.disclosure import DisclosureFlow
from desktop.records import Message, ModelIdentity, State

STDIN, STDOUT, STDERR = 0, 1, 2
# A pipe that is ready takes this much without blocking (PIPE_BUF in limits.h).
AT_ONCE = 4096
DONE, ERROR, INTERRUPTED = 0, 2, 130
# In place of a session's id: a new talk that leaves nothing.
FLEETING = "fleeting"

# What a model writes must not steer the terminal: all control characters but tab and line feed.
_CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)])


class Terminal(QObject):
    """Drives one talk. Every line is kept the moment it arrives, before another byte is written."""

    def __init__(
        self,
        chat: ChatFlow,
        disclosure: DisclosureFlow,
        start_engine: Callable[[], None],
        *,
        is_starter: bool,
    ) -> None:
        super().__init__()
        self._chat = chat
        self._disclosure = disclosure
        self._start_engine = start_engine
        self._is_starter = is_starter
        self._is_tty = os.isatty(STDIN)
        self._asks = self._is_tty and not disclosure.is_accepted
        self._steers = os.isatty(STDOUT)
        self._input = bytearray()
        self._output = bytearray()
        self._mid_line = False
        self._input_ended = False
        self._interrupts = 0
        self._exit_code: int | None = None
        self._final_code = DONE
        self._reader = QSocketNotifier(STDIN, QSocketNotifier.Type.Read, self)
        self._reader.activated.connect(self._read)
        self._writer = QSocketNotifier(STDOUT, QSocketNotifier.Type.Write, self)
        self._writer.setEnabled(False)
        self._writer.activated.connect(self._write)
        chat.model_known.connect(self._learn_model)
        chat.saved.connect(self._name_session)
        chat.answer_grew.connect(self._print)
        chat.answered.connect(self._end_answer)
        chat.failed.connect(self._tell)
        chat.forgot.connect(lambda count: self._say(i18n.text("notices.unseen", count=count)))
        chat.settled.connect(self._settle)

    def run(self, application: QCoreApplication, session_id: str | None) -> int:
        """Talks until the input ends. Returns the exit code. Raises UserError("no_session")."""
        if session_id == FLEETING:
            self._chat.open_fleeting()
            session_id = None
        else:
            self._chat.open(session_id)
        self._say(i18n.text("notices.reminder" if self._disclosure.is_accepted else "disclosure.text"))
        if self._chat.is_fleeting:
            self._say(i18n.text("kept.fleeting"))
        if session_id:
            self._say(i18n.text("notices.session", id=session_id))
        wakeup = self._watch_interrupts()
        self._start_engine()
        self._prompt()
        application.exec()
        wakeup.setEnabled(False)
        return self._final_code if self._exit_code is None else self._exit_code

    def _learn_model(self, model: ModelIdentity) -> None:
        """Says who answers."""
        self._say(i18n.text("notices.starter") if self._is_starter else i18n.text("notices.model", name=model.name))
        self._prompt()

    def fail(self) -> None:
        """A bug of ours ends the talk."""
        self._say(i18n.text("errors.bug"))
        self._leave(ERROR)

    def _read(self) -> None:
        """Takes what is there, without waiting for more, and keeps each whole line."""
        while not self._input_ended and select.select([STDIN], [], [], 0)[0]:
            try:
                data = os.read(STDIN, 1 << 16)
            except OSError:
                data = b""
            if not data:
                self._input_ended = True
                self._reader.setEnabled(False)
                data = b"\n" if self._input else b""
            self._input += data
            *lines, rest = self._input.split(b"\n")
            self._input = rest
            for line in lines:
                self._take(bytes(line))
        self._leave_when_done()

    def _take(self, line: bytes) -> None:
        text = line.removesuffix(b"\r").decode("utf-8", "replace")
        if "\ufffd" in text and "\ufffd".encode() not in line:
            self._say(i18n.text("notices.not_text"))
        self._interrupts = 0
        if self._exit_code is not None:
            return
        if self._asks:
            self._take_acceptance(text)
            return
        try:
            self._chat.send(text)
        except UserError as error:
            self._tell(error)
        if not self._chat.is_busy:
            self._prompt()

    def _take_acceptance(self, text: str) -> None:
        if text.strip().casefold() != i18n.text("disclosure.yes"):
            self._leave(DONE)
            return
        self._disclosure.accept()
        self._asks = False
        self._prompt()

    def _print(self, text: str) -> None:
        """Queues text for stdout, behind keeping every line that has arrived."""
        self._read()
        if self._steers:
            text = text.translate(_CONTROLS)
        self._output += text.encode("utf-8", "replace")
        self._mid_line = not text.endswith("\n") if text else self._mid_line
        self._write()

    def _write(self) -> None:
        """Writes as much as can be taken at once: a slow reader must not keep lines from being kept."""
        try:
            while self._output and select.select([], [STDOUT], [], 0)[1]:
                written = os.write(STDOUT, self._output[:AT_ONCE])
                del self._output[:written]
        except OSError:
            self._output.clear()
            self._writer.setEnabled(False)
            if self._exit_code is None:
                self._say(i18n.text("errors.output_closed"))
                self._leave(ERROR)
            return
        self._writer.setEnabled(bool(self._output))
        self._leave_when_done()

    def _end_answer(self, answer: Message) -> None:
        if self._mid_line:
            self._print("\n")
        if answer.state == State.INTERRUPTED:
            self._say(i18n.text("notices.interrupted"))

    def _settle(self) -> None:
        self._read()
        if not self._chat.is_busy:
            self._prompt()
        self._leave_when_done()

    def _name_session(self, message: Message) -> None:
        if self._chat.session_is_new and not self._chat.is_fleeting:
            self._say(i18n.text("notices.session", id=message.session_id))

    def _tell(self, error: UserError) -> None:
        """One sentence. Where nobody sits at the keyboard, words that cannot be kept end the talk."""
        self._say(i18n.error_text(error))
        if self._chat.model is None:
            self._read()
            self._leave(ERROR)
        elif error.code.startswith(("disk_", "journal_")) and not self._is_tty:
            self._leave(ERROR)

    def _say(self, text: str) -> None:
        """A notice for stderr; a closed stderr is nobody's fault."""
        start = "\n" if self._mid_line and self._steers else ""
        try:
            os.write(STDERR, f"{start}{text}\n".encode())
        except OSError:
            return

    def _prompt(self) -> None:
        if self._is_tty and not self._input_ended and self._exit_code is None:
            os.write(STDERR, i18n.text("disclosure.ask" if self._asks else "notices.prompt").encode() + b" ")

    def _watch_interrupts(self) -> QSocketNotifier:
        """Lets Ctrl-C wake the event loop, which otherwise gives Python no chance to see it."""
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, _leave_it_to_the_loop)
        notifier = QSocketNotifier(wake, QSocketNotifier.Type.Read, self)
        notifier.activated.connect(lambda: self._interrupt(wake))
        return notifier

    def _interrupt(self, wake: int) -> None:
        """The first Ctrl-C stops the answer, a second one without a word between them leaves."""
        self._interrupts += len(os.read(wake, 512))
        if self._interrupts > 1:
            self._leave(INTERRUPTED)
        elif self._chat.is_busy:
            if self._input_ended:
                self._final_code = INTERRUPTED
            self._chat.stop()
        else:
            self._say(i18n.text("notices.interrupt"))
            self._prompt()

    def _leave_when_done(self) -> None:
        if self._input_ended and not self._chat.is_busy and not self._output:
            self._leave(self._final_code)

    def _leave(self, code: int) -> None:
        if self._exit_code is None:
            self._exit_code = code
            QCoreApplication.quit()


def _leave_it_to_the_loop(_signal: int, _frame: FrameType | None) -> None:
    """The wakeup pipe tells the event loop; without a handler Python would raise KeyboardInterrupt anywhere."""
