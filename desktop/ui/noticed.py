"""What the safety layer noticed, for the person alone: a list, and the means to delete it. Never any of their words."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from desktop import i18n
from desktop.flows.noticed import NoticedFlow
from desktop.records import Category, Level

LEVELS = {Level.HIGH: "noticed.high", Level.CRISIS: "noticed.crisis"}
CATEGORIES = {
    Category.SUICIDE: "noticed.suicide",
    Category.SELF_HARM: "noticed.self_harm",
    Category.HARM_OTHERS: "noticed.harm_others",
    Category.ABUSE: "noticed.abuse",
    Category.MEDICAL_EMERGENCY: "noticed.medical_emergency",
    Category.PSYCHOSIS: "noticed.psychosis",
    Category.EATING: "noticed.eating",
    Category.SUBSTANCE: "noticed.substance",
    Category.THIRD_PARTY: "noticed.third_party",
}


class NoticedDialog(QDialog):
    """Lists what was noticed, the last first; one or all of it can be deleted for good."""

    def __init__(self, parent: QWidget, noticed: NoticedFlow) -> None:
        super().__init__(parent)
        self._noticed = noticed
        self.setWindowTitle(i18n.text("noticed.title"))
        self.resize(560, 380)
        text = QLabel(i18n.text("noticed.text"))
        text.setWordWrap(True)
        self.list = QListWidget()
        self.list.setAccessibleName(i18n.text("noticed.title"))
        buttons = QDialogButtonBox()
        self.delete = buttons.addButton(i18n.text("noticed.delete"), QDialogButtonBox.ButtonRole.ActionRole)
        self.delete_all = buttons.addButton(i18n.text("noticed.delete_all"), QDialogButtonBox.ButtonRole.ActionRole)
        close = buttons.addButton(i18n.text("disclosure.close"), QDialogButtonBox.ButtonRole.RejectRole)
        close.setDefault(True)
        self.list.currentRowChanged.connect(self._choose)
        self.delete.clicked.connect(self._delete)
        self.delete_all.clicked.connect(self._delete_all)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 20)
        layout.setSpacing(16)
        for widget in (text, self.list, buttons):
            layout.addWidget(widget)
        self._fill()

    def _fill(self) -> None:
        self.list.clear()
        for event in self._noticed.events():
            about = CATEGORIES.get(event.category, "noticed.other")
            words = f"{event.created_at[:10]} {event.created_at[11:16]} UTC   "
            words += i18n.text("noticed.row", level=i18n.text(LEVELS[event.level]), about=i18n.text(about))
            item = QListWidgetItem(words)
            item.setData(Qt.ItemDataRole.UserRole, event.id)
            self.list.addItem(item)
        self.delete.setEnabled(False)
        self.delete_all.setEnabled(self.list.count() > 0)

    def _choose(self, row: int) -> None:
        self.delete.setEnabled(row >= 0)

    def _delete(self) -> None:
        self._noticed.delete(self.list.currentItem().data(Qt.ItemDataRole.UserRole))
        self._fill()

    def _delete_all(self) -> None:
        self._noticed.delete_all()
        self._fill()
