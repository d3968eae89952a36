"""What comes before the first word: the disclosure, the country, the offer of a lock. Never shows anything itself."""

from dataclasses import replace
from datetime import UTC, datetime

from PySide6.QtCore import QLocale

from desktop.errors import UserError
from desktop.safety import lines
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

    @property
    def country(self) -> str | None:
        """The code of the country whose lines are shown, None until the person chose one."""
        return self._preferences.load().country

    def countries(self) -> dict[str, str]:
        """Names of the countries to choose from, by code."""
        return lines.countries()

    def proposed_country(self) -> str | None:
        """What was chosen, else the country of the system's locale where it is listed; a proposal, never a choice."""
        code = self.country or QLocale.territoryToCode(QLocale.system().territory())
        return code if code in self.countries() else None

    def choose_country(self, code: str | None) -> None:
        """Keeps the person's country. Raises UserError: country_unknown, or if it cannot be kept."""
        if code is not None and code not in self.countries():
            raise UserError("country_unknown", country=code)
        self._preferences.save(replace(self._preferences.load(), country=code))

    def accept(self) -> None:
        """Keeps that the person accepted. Raises UserError if it cannot be kept."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._preferences.save(replace(self._preferences.load(), disclosure_accepted_at=now))
