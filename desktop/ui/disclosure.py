"""What Quietroom is and is not, before the first word and whenever it is asked for. Never remembers anything."""

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from desktop import i18n


class DisclosureDialog(QDialog):
    """`accepted` and `rejected` tell what the person chose."""

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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 20)
        layout.setSpacing(20)
        layout.addWidget(text)
        layout.addWidget(buttons)
