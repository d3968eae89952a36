"""The window and its door. Never reads what is behind it."""

from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QApplication

from desktop import paths
from desktop.app.rooms import Rooms
from desktop.errors import UserError
from desktop.flows.bus import DesktopBus
from desktop.flows.rehearsal import RehearsalFlow
from desktop.flows.vault import VaultFlow
from desktop.store.database import ByFile, ByKey, Opener, Vault
from desktop.store.place import is_on_network, is_synced
from desktop.ui.idle import Idle
from desktop.ui.locking import UnlockDialog
from desktop.ui.main_window import MainWindow
from desktop.ui.rehearsal import RehearsalDialog


class Home(QObject):
    """The window and its door. While it is locked only the door is there, and nothing of the person's behind it."""

    def __init__(
        self, application: QApplication, folder: Path, model: Path | None, bus: DesktopBus | None = None
    ) -> None:
        super().__init__()
        self._application = application
        self._folder = folder
        self._model = model
        self._door: UnlockDialog | None = None
        self._rehearsal: RehearsalDialog | None = None
        self._idle: Idle | None = None
        self.rooms: Rooms | None = None
        self.window: MainWindow | None = None
        self._bus = bus = bus or DesktopBus(folder)
        bus.lock_wanted.connect(self.lock)
        bus.forward_wanted.connect(self.come_forward)
        self.vault_flow = flow = VaultFlow(folder)
        flow.unlocked.connect(self._unlocked)
        flow.locked_anew.connect(self._locked_anew)
        flow.opened_up.connect(self._opened_up)
        flow.login_set.connect(self._login_set)
        flow.rehearsed.connect(self._rehearsed)
        flow.failed.connect(self._tell)

    def show(self, way: Opener | None) -> None:
        """Opens by `way`, or by the key file, or shows the door. Raises UserError."""
        if way is None and self.vault_flow.is_locked:
            self._show_door()
        else:
            self._enter(way or ByFile())

    def lock(self) -> None:
        """Keeps what is under way, closes everything and leaves the door alone; not without a lock."""
        if self.window and self.vault_flow.is_locked:
            self._show_door()
            self._leave()

    def close(self) -> None:
        """Leaves for good."""
        self._bus.close()
        self._leave()
        if self._door:
            self._door.close()
            self._door.deleteLater()
            self._door = None
        self.vault_flow.close()

    def come_forward(self) -> None:
        """The window or its door in front of other windows."""
        shown = self._door or self.window
        if shown:
            shown.setWindowState(shown.windowState() & ~Qt.WindowState.WindowMinimized)
            shown.raise_()
            shown.activateWindow()

    def apologize(self) -> None:
        """One calm word about a bug of ours."""
        if self.window:
            self.window.apologize()

    def _leave(self) -> None:
        window, rooms, idle = self.window, self.rooms, self._idle
        self.window = self.rooms = self._idle = self._rehearsal = None
        if idle:
            self._application.removeEventFilter(idle)
            idle.deleteLater()
        if window:
            window.close()
            window.deleteLater()
        if rooms:
            rooms.close()

    def _enter(self, way: Opener) -> None:
        self.rooms = rooms = Rooms(Vault.open(self._folder, way), self._model or paths.starter_model())
        self.window = window = MainWindow(rooms.chat, rooms.journal, rooms.disclosure, is_starter=self._model is None)
        window.lock_wanted.connect(self.lock)
        window.passphrase_chosen.connect(lambda words: self.vault_flow.set_passphrase(rooms.vault.key, words))
        window.no_passphrase_wanted.connect(lambda: self.vault_flow.use_login_only(rooms.vault.key))
        window.login_chosen.connect(lambda is_on: self.vault_flow.set_login(rooms.vault.key, is_on=is_on))
        window.idle_chosen.connect(self._choose_idle)
        minutes = rooms.desk.habits.idle_minutes
        window.show_lock(
            is_locked=self.vault_flow.is_locked, by_login=self.vault_flow.opens_by_login, idle_minutes=minutes
        )
        self._idle = idle = Idle(minutes * 60_000)
        idle.idled.connect(self.lock)
        self._application.installEventFilter(idle)
        rooms.journal.tidy_bin()
        window.show()
        if is_on_network(self._folder) or is_synced(self._folder):
            window.tell(UserError("shared_folder"))
        self._offer_rehearsal(window, rooms.rehearsal)
        rooms.engine.start()
        QTimer.singleShot(0, rooms.warm_up)

    def _offer_rehearsal(self, window: MainWindow, rehearsal: RehearsalFlow) -> None:
        """Once a year; whatever comes of it, the next year begins."""
        if rehearsal.is_due():
            rehearsal.begin_year()
            self._rehearsal = dialog = RehearsalDialog(window)
            dialog.tried.connect(self.vault_flow.check_recovery)
            dialog.open()

    def _show_door(self) -> None:
        self._door = door = UnlockDialog(opens_by_login=self.vault_flow.opens_by_login)
        door.login_tried.connect(self.vault_flow.unlock_by_login)
        door.tried.connect(self._try)
        door.show()

    def _try(self, words: str, is_code: bool) -> None:
        attempt = self.vault_flow.unlock_by_recovery if is_code else self.vault_flow.unlock
        attempt(words)

    def _unlocked(self, key: bytes) -> None:
        try:
            self._enter(ByKey(key))
        except UserError as error:
            self._tell(error)
            return
        if self._door:
            self._door.accept()
            self._door = None

    def _locked_anew(self, code: str) -> None:
        if self.window:
            self.window.show_lock(is_locked=True, by_login=self.vault_flow.opens_by_login)
            self.window.show_code(code)
        if self.rooms:
            self.rooms.rehearsal.begin_year()

    def _choose_idle(self, minutes: int) -> None:
        if self.rooms and self.window and self._idle:
            self.rooms.desk.habits.choose_idle(minutes)
            self._idle.wait(minutes * 60_000)
            is_locked, by_login = self.vault_flow.is_locked, self.vault_flow.opens_by_login
            self.window.show_lock(is_locked=is_locked, by_login=by_login, idle_minutes=minutes)

    def _login_set(self, is_on: bool) -> None:
        if self.window:
            self.window.show_lock(is_locked=True, by_login=is_on)

    def _rehearsed(self) -> None:
        if self._rehearsal:
            self._rehearsal.succeed()

    def _opened_up(self) -> None:
        if self.window:
            self.window.show_lock(is_locked=False)

    def _tell(self, error: UserError) -> None:
        if self._door:
            self._door.refuse(error)
        elif self._rehearsal and self._rehearsal.isVisible():
            self._rehearsal.refuse(error)
        elif self.window:
            self.window.show_lock(is_locked=self.vault_flow.is_locked, by_login=self.vault_flow.opens_by_login)
            self.window.tell(error)
