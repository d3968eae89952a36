"""A message bus of our own, so that no test speaks to the desktop it runs on."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def private_bus() -> Iterator[str]:
    """Starts a dbus-daemon for as long as the block lasts; gives its address."""
    command = ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as daemon:
        assert daemon.stdout
        try:
            yield daemon.stdout.readline().decode("ascii").strip()
        finally:
            daemon.terminate()
