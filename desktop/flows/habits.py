"""What the person chose of how the window behaves. Never anything that was written."""

from dataclasses import replace

from desktop.errors import UserError
from desktop.store.preferences import Preferences

LEAST_IDLE, MOST_IDLE = 1, 240


class HabitsFlow:
    """Kept in the vault."""

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences

    @property
    def idle_minutes(self) -> int:
        """After how long without a touch a locked journal closes its door."""
        return self._preferences.load().idle_minutes

    def choose_idle(self, minutes: int) -> None:
        """Keeps that time. Raises UserError: idle_unlikely, or if it cannot be kept."""
        if not LEAST_IDLE <= minutes <= MOST_IDLE:
            raise UserError("idle_unlikely", least=LEAST_IDLE, most=MOST_IDLE)
        self._preferences.save(replace(self._preferences.load(), idle_minutes=minutes))
