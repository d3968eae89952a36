"""What comes before the first word: the disclosure, and the offer of a lock. Never shows anything itself."""

from dataclasses import replace
from datetime import UTC, datetime

from desktop.store.preferences import Preferences


class DisclosureFlow:
    """What was shown and accepted in this journal."""

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences

    @property
    def is_accepted(self) -> bool:
        """Whether the person accepted it in this journal."""
        return self._preferences.load().disclosure_accepted_at is not None

    def offer_passphrase(self) -> bool:
        """Whether a lock should be offered now: once, after the disclosure. Raises UserError."""
        settings = self._preferences.load()
        if settings.passphrase_offered:
            return False
        self._preferences.save(replace(settings, passphrase_offered=True))
        return True

    def accept(self) -> None:
        """Keeps that the person accepted. Raises UserError if it cannot be kept."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._preferences.save(replace(self._preferences.load(), disclosure_accepted_at=now))
