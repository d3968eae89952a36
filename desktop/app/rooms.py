"""What stands behind a face. Never shows anything."""

from collections.abc import Sequence
from pathlib import Path

from desktop.companions import companion
from desktop.engine.client import EngineClient
from desktop.flows.chat import ChatFlow
from desktop.flows.desk import Desk
from desktop.flows.rehearsal import RehearsalFlow
from desktop.safety.verdict import Said, Verdict
from desktop.store.chats import Chats
from desktop.store.database import Vault
from desktop.store.preferences import Preferences


class Rooms:
    """Everything behind a face, built on one open vault."""

    def __init__(self, vault: Vault, model: Path) -> None:
        self.vault = vault
        chats = Chats(vault)
        self.preferences = preferences = Preferences(vault)
        self.engine = EngineClient(model, preferences.known_sha256)
        self.engine.loaded.connect(lambda identity: preferences.keep_sha256(model, identity.sha256))
        self.desk = Desk(vault)
        self.journal = self.desk.journal
        self.rehearsal = RehearsalFlow(vault)
        self.disclosure = disclosure = self.desk.disclosure
        self.chat = ChatFlow(
            chats, self.engine, companion("quietroom"), _screen, lambda: disclosure.country, self.desk.noticed
        )

    def warm_up(self) -> None:
        """Loads what the first message would wait for; for when the window is painted."""
        _screen([("user", "hello")])

    def close(self) -> None:
        """Ends what is under way, keeps it, and closes the vault."""
        self.chat.close()
        self.engine.close()
        self.desk.close()
        self.vault.close()


def _screen(turns: Sequence[Said]) -> Verdict:
    # numpy takes its time to load: not before the window is painted.
    from desktop.safety.screen import screen

    return screen(turns)
