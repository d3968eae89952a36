"""How the window's pages are laid out. Never what is on them."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget


def side_by_side(left: QWidget, right: QWidget) -> QSplitter:
    """A narrow list on the left, the page on the right, and a border that can be moved."""
    splitter = QSplitter()
    splitter.addWidget(left)
    splitter.addWidget(right)
    splitter.setSizes([240, 760])
    splitter.setStretchFactor(1, 1)
    splitter.setChildrenCollapsible(False)
    return splitter


def column(*widgets: QWidget) -> QWidget:
    """Widgets below each other."""
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.setContentsMargins(8, 8, 8, 8)
    for widget in widgets:
        layout.addWidget(widget)
    return page


def stack(*buttons: QPushButton) -> QVBoxLayout:
    """Buttons below each other, at the foot."""
    layout = QVBoxLayout()
    layout.addStretch()
    for button in buttons:
        layout.addWidget(button)
    return layout


def label(name: str) -> QLabel:
    """Words that can be copied, dressed by `name`."""
    words = QLabel()
    words.setObjectName(name)
    words.setWordWrap(True)
    words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return words
