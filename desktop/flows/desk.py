"""What a person can do with an open vault but for talking. Never opens one."""

from desktop.flows.disclosure import DisclosureFlow
from desktop.flows.habits import HabitsFlow
from desktop.flows.journal import JournalFlow
from desktop.flows.kept import KeptFlow
from desktop.flows.notes import NotesFlow
from desktop.flows.noticed import NoticedFlow
from desktop.store.database import Vault
from desktop.store.preferences import Preferences
from desktop.store.safety_events import SafetyEvents


class Desk:
    """The flows that need the vault alone, for the short commands and for the window."""

    def __init__(self, vault: Vault) -> None:
        self.journal = JournalFlow(vault)
        self.notes = NotesFlow(vault)
        self.kept = KeptFlow(vault)
        self.noticed = NoticedFlow(SafetyEvents(vault))
        self.disclosure = DisclosureFlow(Preferences(vault))
        self.habits = HabitsFlow(Preferences(vault))

    def close(self) -> None:
        """Ends what is under way."""
        self.journal.close()
