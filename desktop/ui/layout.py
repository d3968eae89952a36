"""How the window's pages are laid out. Never what is on them."""

from PySide6.QtWidgets import QSplitter, QWidget


def side_by_side(left: QWidget, right: QWidget) -> QSplitter:
    """A narrow list on the left, the page on the right, and a border that can be moved."""
    splitter = QSplitter()
    splitter.addWidget(left)
    splitter.addWidget(right)
    splitter.setSizes([240, 760])
    splitter.setStretchFactor(1, 1)
    splitter.setChildrenCollapsible(False)
    return splitter
