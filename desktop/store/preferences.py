"""What the person has chosen, and what is known of model files. Never holds anything said in a talk."""

from pathlib import Path

from desktop.settings import Settings
from desktop.store.database import Vault, told


class Preferences:
    """The settings row and the hashes of model files."""

    def __init__(self, vault: Vault) -> None:
        self._db = vault.db
        self._path = vault.folder

    def load(self) -> Settings:
        """The settings, or the defaults where none were kept yet."""
        with told(self._path):
            row = self._db.execute("SELECT json FROM settings").fetchone()
        return Settings.from_json(row[0]) if row else Settings()

    def save(self, settings: Settings) -> None:
        """Keeps the settings."""
        with told(self._path):
            self._db.execute("INSERT OR REPLACE INTO settings VALUES (1, ?)", (settings.to_json(),))

    def known_sha256(self, model: Path) -> str | None:
        """The SHA-256 found earlier for this very file (same path, size and time), or None."""
        try:
            stat = model.stat()
        except OSError:
            return None
        with told(self._path):
            row = self._db.execute(
                "SELECT sha256 FROM model_files WHERE path = ? AND size = ? AND mtime_ns = ?",
                (str(model), stat.st_size, stat.st_mtime_ns),
            ).fetchone()
        return str(row[0]) if row else None

    def keep_sha256(self, model: Path, sha256: str) -> None:
        """Remembers the hash of a model file as it lies there now."""
        stat = model.stat()
        with told(self._path):
            self._db.execute(
                "INSERT OR REPLACE INTO model_files VALUES (?, ?, ?, ?)",
                (str(model), stat.st_size, stat.st_mtime_ns, sha256),
            )
