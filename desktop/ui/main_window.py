"""The window: talks on the left, the talk on the right. It wires widgets to flows and holds no rule of its own."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMainWindow,
    QMessageBox,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
)

from desktop import i18n
from desktop.errors import UserError
from desktop.flows.chat import ChatFlow
from desktop.flows.disclosure import DisclosureFlow
from desktop.flows.habits import LEAST_IDLE, MOST_IDLE
from desktop.flows.journal import JournalFlow
from desktop.records import CheckIn, Entry, Message, ModelIdentity, State
from desktop.ui import theme
from desktop.ui.chat_view import SHOWN_MESSAGES, ChatView
from desktop.ui.disclosure import DisclosureDialog
from desktop.ui.journal_view import JournalView
from desktop.ui.layout import column, label, side_by_side, stack
from desktop.ui.locking import CodeDialog, PassphraseDialog
from desktop.ui.message_box import MessageBox
from desktop.ui.noticed import NoticedDialog

LISTED_SESSIONS = 200
EXPORTS = {"export.json": ("json", ".json"), "export.markdown": ("markdown", ".md")}


class MainWindow(QMainWindow):
    """One window on one journal.

    `lock_wanted()`, `passphrase_chosen(words)`, `no_passphrase_wanted()`, `login_chosen(is_on)` and
    `idle_chosen(minutes)` ask for what only the door can do.
    """

    lock_wanted = Signal()
    passphrase_chosen = Signal(str)
    no_passphrase_wanted = Signal()
    login_chosen = Signal(bool)
    idle_chosen = Signal(int)

    def __init__(self, chat: ChatFlow, journal: JournalFlow, disclosure: DisclosureFlow, *, is_starter: bool) -> None:
        super().__init__()
        self._chat = chat
        self._journal = journal
        self._disclosure = disclosure
        self._is_starter = is_starter
        self._messages: list[Message] = []
        self._shown = SHOWN_MESSAGES
        self._idle_minutes = 15
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        self.setWindowTitle(i18n.text("chat.window_title"))
        self.resize(1000, 700)
        self._build(theme.follow_system(application))
        self._build_menu()
        self._connect()
        application.styleHints().colorSchemeChanged.connect(self._dress)
        self._list_entries(None)
        self.turn_to(None)

    def apologize(self) -> None:
        """One calm word about a bug of ours."""
        box = QMessageBox(QMessageBox.Icon.NoIcon, self.windowTitle(), i18n.text("errors.bug"), parent=self)
        box.open()

    def show_lock(self, *, is_locked: bool, by_login: bool = False, idle_minutes: int | None = None) -> None:
        """Fits the menu to how the journal is locked."""
        self._lock_action.setEnabled(is_locked)
        self._open_up_action.setEnabled(is_locked)
        self._login_action.setEnabled(is_locked)
        self._login_action.setChecked(by_login)
        self._idle_action.setEnabled(is_locked)
        self._idle_minutes = idle_minutes or self._idle_minutes
        self._passphrase_action.setText(i18n.text("menu.change_passphrase" if is_locked else "menu.set_passphrase"))

    def show_code(self, code: str) -> None:
        """Shows a new recovery code, until it was written back."""
        CodeDialog(self, code).open()

    def tell(self, error: UserError) -> None:
        """One calm sentence."""
        self._notify(i18n.error_text(error))

    def showEvent(self, event: QShowEvent) -> None:
        """Before the first word comes the disclosure."""
        super().showEvent(event)
        if not self._disclosure.is_accepted and not self.findChild(DisclosureDialog):
            dialog = DisclosureDialog(self, must_accept=True)
            dialog.ask_country(self._disclosure.countries(), self._disclosure.proposed_country())
            dialog.accepted.connect(lambda: self._accept_disclosure(dialog.country.currentData()))
            dialog.rejected.connect(self.close)
            dialog.open()

    def closeEvent(self, event: QCloseEvent) -> None:
        """What is under way is kept as far as it came."""
        self._chat.leave()
        super().closeEvent(event)

    def _build(self, colours: theme.Theme) -> None:
        self.sessions = QListWidget()
        self.sessions.setAccessibleName(i18n.text("chat.session_list"))
        self.sessions.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.sessions.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.new_talk = QPushButton(i18n.text("chat.new_talk"))
        self.search = QLineEdit()
        self.search.setPlaceholderText(i18n.text("chat.find"))
        self.search.setAccessibleName(i18n.text("chat.find"))
        self.search.setClearButtonEnabled(True)
        self.transcript = ChatView(colours)
        self.banner = label("muted")
        self.notice = label("notice")
        self.notice.hide()
        self.fleeting = label("notice")
        self.fleeting.setText(i18n.text("kept.fleeting"))
        self.fleeting.hide()
        self.box = MessageBox()
        self.send = QPushButton(i18n.text("chat.send"))
        self.send.setObjectName("primary")
        self.stop = QPushButton(i18n.text("chat.stop"))
        left = column(self.new_talk, self.search, self.sessions)
        row = QHBoxLayout()
        row.addWidget(self.box, 1)
        row.addLayout(stack(self.send, self.stop))
        right = column(self.banner, self.fleeting, self.transcript, self.notice)
        layout = right.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.setStretchFactor(self.transcript, 1)
        layout.addLayout(row)
        self.journal = JournalView()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(side_by_side(left, right), i18n.text("chat.tab"))
        self.tabs.addTab(self.journal, i18n.text("journal_view.tab"))
        self.setCentralWidget(self.tabs)

    def _build_menu(self) -> None:
        talk = self.menuBar().addMenu(i18n.text("menu.talk"))
        talk.addAction(i18n.text("menu.new"), QKeySequence.StandardKey.New, self._start_new)
        talk.addAction(i18n.text("menu.fleeting"), QKeySequence("Ctrl+Shift+N"), self._start_fleeting)
        talk.addAction(i18n.text("menu.export"), QKeySequence("Ctrl+E"), self._ask_export)
        talk.addSeparator()
        self._lock_action = talk.addAction(
            i18n.text("menu.lock"), QKeySequence("Ctrl+L"), lambda: self.lock_wanted.emit()
        )
        self._passphrase_action = talk.addAction("", self._ask_passphrase)
        self._login_action = talk.addAction(i18n.text("menu.login"))
        self._login_action.setCheckable(True)
        self._login_action.triggered.connect(self.login_chosen)
        self._idle_action = talk.addAction(i18n.text("menu.idle"), self._ask_idle)
        self._open_up_action = talk.addAction(i18n.text("menu.open_up"), self._ask_open_up)
        talk.addSeparator()
        talk.addAction(i18n.text("menu.quit"), QKeySequence("Ctrl+Q"), self.close)
        about = self.menuBar().addMenu(i18n.text("menu.help"))
        about.addAction(i18n.text("menu.disclosure"), self._show_disclosure)
        about.addAction(i18n.text("menu.noticed"), self._show_noticed)

    def _connect(self) -> None:
        self.new_talk.clicked.connect(self._start_new)
        self.sessions.itemActivated.connect(self._open_item)
        self.sessions.itemClicked.connect(self._open_item)
        self.box.submitted.connect(self._send)
        self.send.clicked.connect(self.box.submit)
        self.stop.clicked.connect(self._chat.stop)
        self.transcript.earlier_wanted.connect(self._show_earlier)
        self._chat.model_known.connect(self._learn_model)
        self._chat.saved.connect(self._saved)
        self._chat.answer_began.connect(self.transcript.begin)
        self._chat.answer_grew.connect(self.transcript.grow)
        self._chat.answered.connect(self._answered)
        self._chat.failed.connect(self.tell)
        self._chat.forgot.connect(lambda count: self._notify(i18n.text("notices.unseen", count=count)))
        self._chat.settled.connect(self._show_activity)
        self.search.textChanged.connect(self._list_sessions)
        self.journal.kept.connect(self._keep_entry)
        self.journal.deleted.connect(self._delete_entry)
        self._journal.exported.connect(lambda path: self._notify(i18n.text("notices.exported", path=path)))
        self._journal.failed.connect(self.tell)

    def _send(self, text: str) -> None:
        self.notice.hide()
        try:
            self._chat.send(text)
        except UserError as error:
            # The words stay in the box.
            self.tell(error)
            return
        self.box.clear()

    def _saved(self, message: Message) -> None:
        if not self._messages:
            self.transcript.show_messages([], 0, "")
        self._messages.append(message)
        self.transcript.add(message)
        self._list_sessions()
        self._show_activity()

    def _answered(self, answer: Message) -> None:
        self._messages.append(answer)
        if answer.state == State.INTERRUPTED:
            self.transcript.mark_interrupted()

    def _start_new(self) -> None:
        self.turn_to(None)
        self.box.setFocus()

    def _start_fleeting(self) -> None:
        self._chat.open_fleeting()
        self._show_talk([])
        self.box.setFocus()

    def _open_item(self, item: QListWidgetItem) -> None:
        kind, thing_id = item.data(Qt.ItemDataRole.UserRole)
        if kind == "entry":
            self._list_entries(self._journal.entry(thing_id))
            self.tabs.setCurrentWidget(self.journal)
        elif thing_id != self._chat.session_id:
            self.turn_to(thing_id)

    def _keep_entry(self, title: str, text: str, check_in: CheckIn, tags: tuple[str, ...], entry: Entry | None) -> None:
        try:
            if entry is None:
                self._journal.add(text, title, check_in, tags)
            else:
                self._journal.edit(replace(entry, title=title, text=text, check_in=check_in, tags=tags))
        except UserError as error:
            # The words stay on the page.
            self._warn(error)
            return
        self._list_entries(None)

    def _delete_entry(self, entry: Entry) -> None:
        try:
            self._journal.delete(entry.id)
        except UserError as error:
            self._warn(error)
        self._list_entries(None)

    def _list_entries(self, opened: Entry | None) -> None:
        self.journal.show_entries(list(self._journal.entries()), opened)

    def _warn(self, error: UserError) -> None:
        """A sentence in a box of its own, for pages without a place for notices."""
        QMessageBox(QMessageBox.Icon.NoIcon, self.windowTitle(), i18n.error_text(error), parent=self).open()

    def turn_to(self, session_id: str | None) -> None:
        """Shows a talk, or a new one."""
        try:
            messages = self._chat.open(session_id)
        except UserError as error:
            self.tell(error)
            return
        self._show_talk(messages)

    def _show_talk(self, messages: list[Message]) -> None:
        self._messages = messages
        self.fleeting.setVisible(self._chat.is_fleeting)
        self._shown = SHOWN_MESSAGES
        self.notice.hide()
        self._paint_messages()
        self._list_sessions()
        self._show_activity()

    def _show_earlier(self) -> None:
        self._shown *= 2
        self._paint_messages()

    def _paint_messages(self) -> None:
        earlier = max(len(self._messages) - self._shown, 0)
        # "It is kept" would not be true of a talk that leaves nothing.
        when_empty = "" if self._chat.is_fleeting else i18n.text("chat.empty")
        self.transcript.show_messages(self._messages[-self._shown :], earlier, when_empty)

    def _list_sessions(self) -> None:
        """The talks last written in, or where the words in the search box stand."""
        self.sessions.clear()
        if words := self.search.text().strip():
            try:
                found = self._journal.find(words)
            except UserError:
                return
            for one in found:
                thing = ("entry", one.id) if one.kind == "entry" else ("session", one.session_id)
                self._list(thing, " ".join(one.text.split()), one.created_at)
            return
        for session in self._journal.sessions(LISTED_SESSIONS):
            item = self._list(("session", session.id), session.title or i18n.text("chat.untitled"), session.updated_at)
            if session.id == self._chat.session_id:
                self.sessions.setCurrentItem(item)

    def _list(self, thing: tuple[str, str | None], words: str, time: str) -> QListWidgetItem:
        item = QListWidgetItem(words)
        item.setData(Qt.ItemDataRole.UserRole, thing)
        item.setToolTip(f"{time[:10]} {time[11:16]} UTC\n{words}")
        self.sessions.addItem(item)
        return item

    def _show_activity(self) -> None:
        self.stop.setEnabled(self._chat.is_busy)

    def _learn_model(self, model: ModelIdentity) -> None:
        starter = i18n.text("notices.starter")
        self.banner.setText(starter if self._is_starter else i18n.text("notices.model", name=model.name))

    def _notify(self, words: str) -> None:
        self.notice.setText(words)
        self.notice.setAccessibleName(words)
        self.notice.show()

    def _accept_disclosure(self, country: str | None) -> None:
        try:
            self._disclosure.accept()
            self._disclosure.choose_country(country)
            if self._disclosure.offer_passphrase() and not self._lock_action.isEnabled():
                self._ask_passphrase()
        except UserError as error:
            self.tell(error)
        self.box.setFocus()

    def _ask_passphrase(self) -> None:
        dialog = PassphraseDialog(self)
        dialog.chosen.connect(self.passphrase_chosen)
        dialog.open()

    def _ask_idle(self) -> None:
        dialog = QInputDialog(self)
        dialog.setLabelText(i18n.text("kept.idle"))
        dialog.setInputMode(QInputDialog.InputMode.IntInput)
        dialog.setIntRange(LEAST_IDLE, MOST_IDLE)
        dialog.setIntValue(self._idle_minutes)
        dialog.intValueSelected.connect(self.idle_chosen)
        dialog.open()

    def _ask_open_up(self) -> None:
        box = QMessageBox(QMessageBox.Icon.NoIcon, self.windowTitle(), i18n.text("unlock.open_up_text"), parent=self)
        yes = box.addButton(i18n.text("unlock.open_up"), QMessageBox.ButtonRole.AcceptRole)
        box.addButton(i18n.text("unlock.keep"), QMessageBox.ButtonRole.RejectRole)
        box.buttonClicked.connect(lambda button: self.no_passphrase_wanted.emit() if button is yes else None)
        box.open()

    def _show_disclosure(self) -> None:
        dialog = DisclosureDialog(self, must_accept=False)
        dialog.ask_country(self._disclosure.countries(), self._disclosure.proposed_country())
        dialog.accepted.connect(lambda: self._choose_country(dialog.country.currentData()))
        dialog.open()

    def _show_noticed(self) -> None:
        if self._chat.noticed:
            NoticedDialog(self, self._chat.noticed).open()

    def _choose_country(self, country: str | None) -> None:
        try:
            self._disclosure.choose_country(country)
        except UserError as error:
            self.tell(error)

    def _ask_export(self) -> None:
        dialog = QFileDialog(self, i18n.text("export.title"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters([i18n.text(name) for name in EXPORTS])
        dialog.setDefaultSuffix("json")
        dialog.filterSelected.connect(lambda chosen: dialog.setDefaultSuffix(_format_of(chosen)[1]))
        dialog.fileSelected.connect(
            lambda path: self._journal.export(_format_of(dialog.selectedNameFilter())[0], Path(path))
        )
        dialog.open()

    def _dress(self) -> None:
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        self.transcript.dress(theme.follow_system(application))
        self._paint_messages()


def _format_of(name_filter: str) -> tuple[str, str]:
    """The format's name and its files' ending, for one of the dialog's filters."""
    return next(found for name, found in EXPORTS.items() if i18n.text(name) == name_filter)
