"""Colours and shapes of the window, out of resources/themes/. Never decides what is shown."""

import tomllib
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from desktop.paths import RESOURCES


@dataclass(frozen=True)
class Theme:
    """Colours by role, as #rrggbb."""

    window: str
    base: str
    own: str
    text: str
    muted: str
    accent: str
    on_accent: str
    line: str
    notice: str


def load(name: str) -> Theme:
    """The theme kept as `name`.toml."""
    with (RESOURCES / "themes" / f"{name}.toml").open("rb") as file:
        return Theme(**tomllib.load(file))


def follow_system(application: QApplication) -> Theme:
    """Dresses the application light or dark, as the desktop is."""
    dark = application.styleHints().colorScheme() == Qt.ColorScheme.Dark
    theme = load("dark" if dark else "light")
    application.setStyle("Fusion")
    application.setPalette(_palette(theme))
    application.setStyleSheet(_style_sheet(theme))
    return theme


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: theme.window,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.Base: theme.base,
        QPalette.ColorRole.AlternateBase: theme.own,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.Button: theme.window,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.Highlight: theme.accent,
        QPalette.ColorRole.HighlightedText: theme.on_accent,
        QPalette.ColorRole.Link: theme.accent,
        QPalette.ColorRole.PlaceholderText: theme.muted,
        QPalette.ColorRole.ToolTipBase: theme.base,
        QPalette.ColorRole.ToolTipText: theme.text,
    }
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.ButtonText, QColor(theme.muted))
    return palette


def _style_sheet(theme: Theme) -> str:
    return f"""
        QTextBrowser, QPlainTextEdit, QListWidget, QSpinBox {{
            background: {theme.base}; border: 1px solid {theme.line}; border-radius: 8px;
        }}
        QDialog {{ border: 1px solid {theme.line}; }}
        QTextBrowser {{ padding: 8px; }}
        QPlainTextEdit {{ padding: 8px; }}
        QPlainTextEdit:focus, QListWidget:focus, QTextBrowser:focus {{ border-color: {theme.accent}; }}
        QListWidget {{ padding: 4px; }}
        QListWidget::item {{ padding: 8px; border-radius: 6px; color: {theme.text}; }}
        QListWidget::item:selected {{ background: {theme.own}; color: {theme.text}; }}
        QPushButton {{ padding: 8px 18px; border: 1px solid {theme.line}; border-radius: 8px; }}
        QPushButton {{ background: {theme.base}; }}
        QPushButton:hover, QPushButton:focus {{ border-color: {theme.accent}; }}
        QPushButton:default, QPushButton#primary {{ background: {theme.accent}; color: {theme.on_accent}; }}
        QPushButton#primary:focus {{ border: 2px solid {theme.text}; padding: 7px 17px; }}
        QPushButton:disabled, QPushButton#primary:disabled {{ background: {theme.window}; color: {theme.muted}; }}
        QLineEdit {{ padding: 7px; border: 1px solid {theme.line}; border-radius: 8px; background: {theme.base}; }}
        QLineEdit:focus {{ border-color: {theme.accent}; }}
        QLabel#notice {{ background: {theme.notice}; border-radius: 8px; padding: 10px; }}
        QLabel#muted {{ color: {theme.muted}; }}
        QSpinBox {{ padding: 5px; }}
        QTabBar::tab {{ padding: 8px 20px; border: none; color: {theme.muted}; }}
        QTabBar::tab:selected {{ color: {theme.text}; border-bottom: 2px solid {theme.accent}; }}
        QTabBar {{ qproperty-drawBase: 0; }}
        QTabWidget::pane {{ border: none; }}
        QSplitter::handle {{ background: transparent; }}
    """
