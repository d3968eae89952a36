"""What the person has chosen. Kept in the vault; never read from the environment."""

import json
from dataclasses import asdict, dataclass, fields

# Characters that a passphrase has at least.
SHORTEST_PASSPHRASE = 8


@dataclass(frozen=True)
class Settings:
    """`disclosure_accepted_at` is a UTC time, or None until the disclosure was accepted.

    `passphrase_offered`: whether the first choice of a lock was put before the person. `idle_minutes`: after how
    long without a touch a locked vault closes its door. `country`: ISO 3166-1 code, for crisis lines, or None.
    `recovery_checked_at`: when the recovery code was last made, tried or put off, or None.
    """

    disclosure_accepted_at: str | None = None
    passphrase_offered: bool = False
    idle_minutes: int = 15
    country: str | None = None
    recovery_checked_at: str | None = None

    def to_json(self) -> str:
        """The settings as one JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, stored: str) -> "Settings":
        """Reads what `to_json` wrote; fields of a newer version are left aside."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in json.loads(stored).items() if name in known})
