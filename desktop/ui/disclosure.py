"""What Quietroom is and is not, before the first word and whenever it is asked for. Never remembers anything."""

from collections.abc import Mapping

from PySide6.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from desktop import i18n


class DisclosureDialog(QDialog):
    """`accepted` and `rejected` tell what the person chose; `country` holds the code of the country shown, or None."""

    def __init__(self, parent: QWidget, *, must_accept: bool) -> None:
        super().__init__(parent)
        self.setWindowTitle(i18n.text("disclosure.title"))
        text = QLabel(i18n.text("disclosure.text"))
        text.setWordWrap(True)
        text.setAccessibleName(i18n.text("disclosure.text"))
        text.setMinimumWidth(460)
        buttons = QDialogButtonBox()
        yes = "disclosure.accept" if must_accept else "disclosure.close"
        accept = buttons.addButton(i18n.text(yes), QDialogButtonBox.ButtonRole.AcceptRole)
        accept.setDefault(True)
        buttons.accepted.connect(self.accept)
        if must_accept:
            buttons.addButton(i18n.text("disclosure.leave"), QDialogButtonBox.ButtonRole.RejectRole)
            buttons.rejected.connect(self.reject)
        self.country = QComboBox()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 20)
        layout.setSpacing(20)
        layout.addWidget(text)
        layout.addWidget(buttons)

    def ask_country(self, countries: Mapping[str, str], proposed: str | None) -> None:
        """Asks above the buttons for the country whose lines are to be at hand; nothing is taken unseen."""
        label = QLabel(i18n.text("country.ask"))
        label.setWordWrap(True)
        label.setBuddy(self.country)
        self.country.setAccessibleName(label.text())
        self.country.addItem(i18n.text("country.other"), None)
        for code, name in countries.items():
            self.country.addItem(name, code)
        self.country.setCurrentIndex(max(self.country.findData(proposed), 0))
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.insertWidget(layout.count() - 1, label)
        layout.insertWidget(layout.count() - 1, self.country)
