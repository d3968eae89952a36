"""Once a year: is the recovery code still at hand? Never keeps the code, never insists."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from desktop.flows.clock import now
from desktop.store.database import Vault
from desktop.store.preferences import Preferences

EVERY = timedelta(days=365)


class RehearsalFlow:
    """When the code was last made, tried or put off."""

    def __init__(self, vault: Vault) -> None:
        self._preferences = Preferences(vault)
        self._has_code = "recovery" in vault.locks.locks

    def is_due(self) -> bool:
        """Whether it should be offered now; the year begins when this is first asked. Raises UserError."""
        last = self._preferences.load().recovery_checked_at
        if not self._has_code:
            return False
        if last is None:
            self.begin_year()
            return False
        return datetime.now(UTC) - datetime.fromisoformat(last) > EVERY

    def begin_year(self) -> None:
        """It was made, tried or put off just now. Raises UserError if that cannot be kept."""
        self._preferences.save(replace(self._preferences.load(), recovery_checked_at=now()))
