"""A talk: words in, saved, screened, answered, saved. Never paints, never asks the model before the disk has it."""

import secrets
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal

from desktop import i18n
from desktop.companions import Companion
from desktop.engine.client import EngineClient
from desktop.engine.protocol import Sampling, Turn
from desktop.errors import UserError
from desktop.flows.clock import local_zone, now
from desktop.flows.noticed import NoticedFlow
from desktop.records import Level, Message, ModelIdentity, Role, State
from desktop.safety.guard import Guard
from desktop.safety.policy import RECENT, care
from desktop.safety.replies import reply
from desktop.safety.verdict import Screen
from desktop.store.chats import Chats
from desktop.store.database import Vault

# A growing answer is on the disk at least this often.
KEEP_EVERY_MS = 2000
# So many messages back the guard looks, to say nothing written twice in a row.
GUARDED = 6


class ChatFlow(QObject):
    """One session at a time, `session_id`; `session_is_new` says that the last `send` opened it.

    Messages may be sent while an answer streams; they are answered in order. `model_known(ModelIdentity)`: who
    will answer. `saved(Message)`: the person's words are on the disk. `answer_began(Message)`,
    `answer_grew(text)`, `answered(Message)`: an answer as it comes and as it was kept. `failed(UserError)`: one
    sentence is due. `forgot(count)`: how many of the first messages the model no longer sees. `settled()`: a
    message is done with, answered or not.
    """

    model_known = Signal(object)
    saved = Signal(object)
    answer_began = Signal(object)
    answer_grew = Signal(str)
    answered = Signal(object)
    failed = Signal(object)
    forgot = Signal(int)
    settled = Signal()

    def __init__(
        self,
        chats: Chats,
        engine: EngineClient,
        companion: Companion,
        screen: Screen,
        country: Callable[[], str | None] = lambda: None,
        noticed: NoticedFlow | None = None,
    ) -> None:
        """`country` gives the code of the person's country, for crisis lines; `noticed` keeps what was raised."""
        super().__init__()
        self._kept = self._chats = chats
        self._fleeting: Vault | None = None
        self._engine = engine
        self._companion = companion
        self._screen = screen
        self._country = country
        self.noticed = noticed
        self.session_id: str | None = None
        self.session_is_new = False
        self.model: ModelIdentity | None = None
        self._waiting: deque[Message] = deque()
        self._question: Message | None = None
        self._answer: Message | None = None
        self._forgotten = 0
        self._guard = Guard()
        self._levels: dict[str, Level] = {}
        self._keep = QTimer(self, interval=KEEP_EVERY_MS, singleShot=True)
        self._keep.timeout.connect(self._keep_answer)
        engine.loaded.connect(self._learn_model)
        engine.token.connect(self._grow)
        engine.finished.connect(self._finish)
        engine.failed.connect(self._fail)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is under way or due."""
        return self._question is not None or bool(self._waiting)

    @property
    def is_fleeting(self) -> bool:
        """Whether this is a talk that leaves nothing."""
        return self._fleeting is not None

    def open_fleeting(self) -> None:
        """Turns to a new talk that leaves nothing: its words are in memory alone, and gone when it is left."""
        self.close()
        self._fleeting = Vault.fleeting()
        self._chats = Chats(self._fleeting)
        self.session_id = None
        self._forgotten = 0

    def close(self) -> None:
        """Ends everything under way; of a talk that leaves nothing, nothing is left."""
        self.leave()
        if self._fleeting:
            self._chats = self._kept
            self._fleeting.close()
            self._fleeting = None
            self._levels.clear()

    def open(self, session_id: str | None) -> list[Message]:
        """Turns to a session, or to a new one, and gives what was said in it. Raises UserError("no_session")."""
        messages: list[Message] = []
        if session_id is not None:
            self._kept.session(session_id)
            messages = list(self._kept.messages(session_id))
        self.close()
        self.session_id = session_id
        self._forgotten = 0
        return messages

    def send(self, text: str) -> None:
        """Keeps the person's words, then has them answered. Raises UserError if they could not be kept."""
        text = _whole_characters(text)
        if not text.strip():
            return
        self.session_is_new = self.session_id is None
        if self.session_id is None:
            session_id = uuid.uuid4().hex
            self._chats.start(session_id, text, now(), local_zone())
            self.session_id = session_id
        message = self._message(self.session_id, Role.USER, text, State.DONE)
        self._chats.add(message)
        self._waiting.append(message)
        self.saved.emit(message)
        # Only once the event loop is back: lines that arrived together are all kept before any is answered.
        QTimer.singleShot(0, self._answer_next)

    def stop(self) -> None:
        """Ends the answer under way; what came of it is kept and marked."""
        if self._question:
            self._engine.stop()

    def leave(self) -> None:
        """Ends everything under way at once: half an answer is kept, waiting messages stay unanswered."""
        self._waiting.clear()
        if self._question:
            self._engine.abandon()
            self._conclude(State.INTERRUPTED)

    def _answer_next(self) -> None:
        if self._question or not self._waiting:
            return
        self._question = question = self._waiting.popleft()
        waiting = {message.id for message in self._waiting}
        try:
            talk = [message for message in self._chats.messages(question.session_id) if message.id not in waiting]
        except UserError as error:
            self._fail(error)
            return
        written = self._written_reply(talk)
        if written is not None:
            self._begin(self._message(question.session_id, Role.WRITTEN, written, State.DONE, question.id))
            self.answer_grew.emit(written)
            self._conclude(State.DONE)
            return
        self._guard = Guard([message.text for message in talk[-GUARDED:] if message.role == Role.ASSISTANT])
        self._engine.generate(self._prompt(talk), self._sampling(), self._companion.max_tokens)

    def _written_reply(self, talk: list[Message]) -> str | None:
        """What is said instead of the model at a raised level, and if the screen itself fails; else None."""
        try:
            verdict = self._screen(talk)
            self._levels[talk[-1].id] = verdict.level
            self._recent_levels(talk)
            if verdict.level not in (Level.HIGH, Level.CRISIS):
                return None
            if (noticed := self.noticed) and not self.is_fleeting:
                self._try_to_keep(lambda: noticed.keep(verdict, talk[-1]))
            said = [message.text for message in talk if message.role == Role.WRITTEN]
            return reply(verdict.level, verdict.category, self._country(), said)
        except Exception:  # noqa: BLE001 - whatever fails in the screen must end in help, never in silence
            return i18n.text("written.failed")

    def _prompt(self, talk: list[Message]) -> list[Turn]:
        """The talk as the model sees it; what a raised level adds stands just before the last message."""
        turns = [Turn(role="system", content=self._companion.system)]
        turns += [Turn(role="user" if m.role == Role.USER else "assistant", content=m.text) for m in talk]
        added = {Level.SENSITIVE: self._companion.sensitive, Level.HIGH: self._companion.supportive}
        if instruction := added.get(care(self._recent_levels(talk))):
            turns[-1]["content"] = f"{instruction}\n\n{turns[-1]['content']}"
        return turns

    def _recent_levels(self, talk: list[Message]) -> list[Level]:
        """The levels of the person's last messages; those of an opened talk are read again."""
        places = [place for place, message in enumerate(talk) if message.role == Role.USER][-1 - RECENT :]
        for place in places:
            if talk[place].id not in self._levels:
                self._levels[talk[place].id] = self._screen(talk[: place + 1]).level
        return [self._levels[talk[place].id] for place in places]

    def _begin(self, answer: Message) -> None:
        self._answer = answer
        self._try_to_keep(lambda: self._chats.add(answer))
        self.answer_began.emit(answer)

    def _grow(self, text: str) -> None:
        self._show(self._guard.feed(text))

    def _show(self, text: str) -> None:
        """Keeps and tells what the guard lets through of the model's answer."""
        if self._question is None or not text:
            return
        if self._answer is None:
            session_id = self._question.session_id
            self._begin(self._message(session_id, Role.ASSISTANT, text, State.INTERRUPTED, self._question.id))
        else:
            self._answer = replace(self._answer, text=self._answer.text + text)
            if not self._keep.isActive():
                self._keep.start()
        self.answer_grew.emit(text)

    def _keep_answer(self) -> None:
        if answer := self._answer:
            self._try_to_keep(lambda: self._chats.update(answer.id, answer.text, answer.state))

    def _finish(self, reason: str, unseen: int) -> None:
        self._show(self._guard.end())
        if unseen > self._forgotten:
            self.forgot.emit(unseen)
        self._forgotten = unseen
        if self._answer is None and reason != "stopped":
            self.failed.emit(UserError("empty_answer"))
        self._conclude(State.INTERRUPTED if reason == "stopped" else State.DONE)

    def _fail(self, error: UserError) -> None:
        self.failed.emit(error)
        if self._question:
            self._conclude(State.INTERRUPTED)

    def _conclude(self, state: State) -> None:
        """Keeps the answer as it ended and turns to the next message."""
        self._show(self._guard.end())
        self._keep.stop()
        self._question = None
        answer, self._answer = self._answer, None
        if answer:
            answer = replace(answer, state=state)
            self._try_to_keep(lambda: self._chats.update(answer.id, answer.text, answer.state))
            self.answered.emit(answer)
        self.settled.emit()
        QTimer.singleShot(0, self._answer_next)

    def _try_to_keep(self, write: Callable[[], None]) -> None:
        """An answer that cannot be kept is told, and goes on: it is on the screen at least."""
        try:
            write()
        except UserError as error:
            self.failed.emit(error)

    def _learn_model(self, model: ModelIdentity) -> None:
        self.model = model
        self.model_known.emit(model)

    def _message(self, session_id: str, role: Role, text: str, state: State, reply_to: str | None = None) -> Message:
        model = self.model if role == Role.ASSISTANT else None
        return Message(uuid.uuid4().hex, session_id, role, text, state, now(), reply_to, model)

    def _sampling(self) -> Sampling:
        companion = self._companion
        return Sampling(
            temperature=companion.temperature,
            top_p=companion.top_p,
            min_p=companion.min_p,
            repeat_penalty=companion.repeat_penalty,
            seed=secrets.randbits(31),
        )


def _whole_characters(text: str) -> str:
    """The text with each half of a surrogate pair that stands alone turned into U+FFFD: it is no character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
