"""What the person is told before the first word, and that they accepted it. Never shows anything itself."""

from dataclasses import replace
from datetime import UTC, datetime

from desktop.store.preferences import Preferences


class DisclosureFlow:
    """Whether the disclosure still has to be accepted."""

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences

    @property
    def is_accepted(self) -> bool:
        """Whether the person accepted it in this journal."""
        return self._preferences.load().disclosure_accepted_at is not None

    def accept(self) -> None:
        """Keeps that the person accepted. Raises UserError if it cannot be kept."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._preferences.save(replace(self._preferences.load(), disclosure_accepted_at=now))
