"""What a person can do with an open vault but for talking. Never opens one."""

from desktop.flows.journal import JournalFlow
from desktop.flows.kept import KeptFlow
from desktop.flows.notes import NotesFlow
from desktop.store.database import Vault


class Desk:
    """The flows that need the vault alone, for the short commands and for the window."""

    def __init__(self, vault: Vault) -> None:
        self.journal = JournalFlow(vault)
        self.notes = NotesFlow(vault)
        self.kept = KeptFlow(vault)

    def close(self) -> None:
        """Ends what is under way."""
        self.journal.close()
