"""What was noticed of danger in the person's words, for them to see and delete. Never shows it to anyone else."""

import uuid

from desktop.errors import UserError
from desktop.flows.clock import local_zone, now
from desktop.records import Message, SafetyEvent
from desktop.safety.verdict import Verdict
from desktop.store.safety_events import SafetyEvents


class NoticedFlow:
    """Level and category of raised messages, kept in the vault and reported to nobody."""

    def __init__(self, events: SafetyEvents) -> None:
        self._events = events

    def keep(self, verdict: Verdict, message: Message) -> None:
        """Keeps that a message was raised. Raises UserError if it could not be kept."""
        self._events.add(
            SafetyEvent(
                uuid.uuid4().hex, verdict.level, verdict.category, message.session_id, message.id, now(), local_zone()
            )
        )

    def events(self) -> list[SafetyEvent]:
        """All of it, the last first."""
        return self._events.events()

    def delete(self, event_id: str) -> None:
        """Erases one. Raises UserError("nothing_noticed")."""
        if not self._events.delete(event_id):
            raise UserError("nothing_noticed", id=event_id)

    def delete_all(self) -> None:
        """Erases all of it."""
        self._events.delete()
