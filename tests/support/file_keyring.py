"""A keyring in a file, named by QUIETROOM_TEST_KEYRING, that our children find by PYTHON_KEYRING_BACKEND."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


class FileKeyring(KeyringBackend):
    """Keeps what it is given."""

    priority = 1.0

    def _all(self) -> dict[str, str]:
        path = Path(os.environ["QUIETROOM_TEST_KEYRING"])
        kept: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return kept

    def _keep(self, all_of_it: dict[str, str]) -> None:
        Path(os.environ["QUIETROOM_TEST_KEYRING"]).write_text(json.dumps(all_of_it), "utf-8")

    def get_password(self, service: str, username: str) -> str | None:
        return self._all().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._keep({**self._all(), f"{service}/{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        all_of_it = self._all()
        if all_of_it.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError
        self._keep(all_of_it)
