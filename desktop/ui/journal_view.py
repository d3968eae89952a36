"""Entries: a list, and a page to write on with a check-in. It asks to be kept; it keeps nothing itself."""

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from desktop import i18n
from desktop.records import CheckIn, Entry
from desktop.ui.clipboard import Clearing
from desktop.ui.layout import side_by_side


class JournalView(QWidget):
    """`kept(title, text, check_in, tags, entry)`: to be kept, as a new entry or as what `entry` has become.

    `deleted(entry)`: to be put into the bin. `show_entries` shows what was kept.
    """

    kept = Signal(str, str, object, tuple, object)
    deleted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._entry: Entry | None = None
        self.list = QListWidget()
        self.list.setAccessibleName(i18n.text("journal_view.list"))
        self.list.itemClicked.connect(self._open_item)
        self.list.itemActivated.connect(self._open_item)
        self.new = QPushButton(i18n.text("journal_view.new"))
        self.new.clicked.connect(lambda: self.open(None))
        self.title = QLineEdit()
        self.title.setPlaceholderText(i18n.text("journal_view.title"))
        self.text = QPlainTextEdit()
        self.text.setPlaceholderText(i18n.text("journal_view.text"))
        self.text.setTabChangesFocus(True)
        self.tags = QLineEdit()
        self.tags.setPlaceholderText(i18n.text("journal_view.tags"))
        for field in (self.title, self.text, self.tags):
            field.setAccessibleName(field.placeholderText())
        self.gauges = {name: _gauge(words) for name, words in _gauge_names().items()}
        self.keep = QPushButton(i18n.text("journal_view.keep"))
        self.keep.setObjectName("primary")
        self.keep.clicked.connect(self._keep)
        self.delete = QPushButton(i18n.text("journal_view.delete"))
        self.delete.clicked.connect(lambda: self.deleted.emit(self._entry))
        self.when = QLabel()
        self.when.setObjectName("muted")
        self.text.textChanged.connect(self._judge)
        Clearing(self, self.text.toPlainText)
        self._lay_out()
        self.open(None)

    def show_entries(self, entries: list[Entry], opened: Entry | None) -> None:
        """Lists entries, the newest first, and opens one of them or an empty page."""
        self.list.clear()
        for entry in reversed(entries):
            words = entry.title or entry.text.strip().split("\n")[0]
            item = QListWidgetItem(f"{entry.created_at[:10]}  {words}")
            item.setData(Qt.ItemDataRole.UserRole, entry)
            self.list.addItem(item)
            if opened and entry.id == opened.id:
                self.list.setCurrentItem(item)
        self.open(opened)

    def open(self, entry: Entry | None) -> None:
        """Shows an entry, or an empty page."""
        self._entry = entry
        self.title.setText(entry.title if entry else "")
        self.text.setPlainText(entry.text if entry else "")
        self.tags.setText(" ".join(entry.tags) if entry else "")
        check_in = entry.check_in if entry else CheckIn()
        for name, gauge in self.gauges.items():
            value = getattr(check_in, name)
            gauge.setValue(-1 if value is None else value)
        self.when.setText(f"{entry.created_at[:10]} {entry.created_at[11:16]} UTC, {entry.zone}" if entry else "")
        self.delete.setEnabled(entry is not None)
        self._judge()

    def _keep(self) -> None:
        values = {name: None if gauge.value() < 0 else gauge.value() for name, gauge in self.gauges.items()}
        tags = tuple(dict.fromkeys(self.tags.text().replace("#", " ").split()))
        self.kept.emit(self.title.text(), self.text.toPlainText(), replace(CheckIn(), **values), tags, self._entry)

    def _judge(self) -> None:
        self.keep.setEnabled(bool(self.text.toPlainText().strip()))

    def _open_item(self, item: QListWidgetItem) -> None:
        self.open(item.data(Qt.ItemDataRole.UserRole))

    def _lay_out(self) -> None:
        gauges = QHBoxLayout()
        for gauge in self.gauges.values():
            gauges.addWidget(QLabel(gauge.accessibleName()))
            gauges.addWidget(gauge)
            gauges.addSpacing(10)
        gauges.addStretch()
        row = QHBoxLayout()
        row.addWidget(self.when, 1)
        row.addWidget(self.delete)
        row.addWidget(self.keep)
        left, right = QWidget(), QWidget()
        for column, parts in (
            (left, (self.new, self.list)),
            (right, (self.title, self.text, gauges, self.tags, row)),
        ):
            layout = QVBoxLayout(column)
            layout.setContentsMargins(8, 8, 8, 8)
            for part in parts:
                if isinstance(part, QWidget):
                    layout.addWidget(part)
                else:
                    layout.addLayout(part)
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.addWidget(side_by_side(left, right))


def _gauge_names() -> dict[str, str]:
    """What a check-in asks, by the name of its field."""
    return {
        "mood": i18n.text("journal_view.mood"),
        "tension": i18n.text("journal_view.tension"),
        "energy": i18n.text("journal_view.energy"),
        "sleep": i18n.text("journal_view.sleep"),
    }


def _gauge(words: str) -> QSpinBox:
    """A number from 0 to 10, or a dash for "not said"."""
    gauge = QSpinBox()
    gauge.setRange(-1, 10)
    gauge.setSpecialValueText("–")
    gauge.setAccessibleName(words)
    return gauge
