"""A stand-in for the Hugging Face hub on localhost, for the real client; never knows more than its own folder."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """One repository with `files`, and how it behaves.

    `status` and `code` refuse everything (as for a gated repository). A weights file breaks off after `drop_at`
    bytes, once; or stops there with the connection open until `release` is set, having set `halted`. `damaged` files
    come with one bit flipped.
    """

    repository: str
    files: Mapping[str, bytes]
    status: int = 200
    code: str = ""
    drop_at: int = 0
    halt_at: int = 0
    damaged: frozenset[str] = frozenset()
    ranges: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    halted: Event = field(default_factory=Event)
    release: Event = field(default_factory=Event)
    url: str = ""

    def is_large(self, name: str) -> bool:
        """Whether the file is kept apart from git."""
        return name.endswith(".safetensors")

    def etag(self, name: str) -> str:
        """The hash that the hub gives for a file."""
        data = self.files[name]
        if self.is_large(name):
            return hashlib.sha256(data).hexdigest()
        return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()

    def entry(self, name: str) -> dict[str, object]:
        """One file as the API lists it."""
        size = len(self.files[name])
        digest = self.etag(name)
        entry: dict[str, object] = {"type": "file", "path": name, "rfilename": name, "oid": digest, "blobId": digest}
        if self.is_large(name):
            entry["lfs"] = {"sha256": digest, "oid": digest, "size": size, "pointerSize": 130}
        return entry | {"size": size}


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Serve `hub` and give it its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *arguments: Handler(hub, *arguments))
    server.daemon_threads = False
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        hub.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers what huggingface_hub asks."""

    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *arguments: object) -> None:
        self._hub = hub
        super().__init__(*arguments)  # type: ignore[arg-type]  # the server knows what it hands over

    def do_HEAD(self) -> None:  # the name that http.server calls
        self._answer(body=False)

    def do_GET(self) -> None:  # the name that http.server calls
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name of the base class
        pass

    def _answer(self, body: bool) -> None:
        hub, path = self._hub, unquote(urlsplit(self.path).path)
        hub.asked.append(f"{self.command} {path}")
        if token := self.headers.get("Authorization"):
            hub.tokens.add(token)
        api, resolve = f"/api/models/{hub.repository}", f"/{hub.repository}/resolve/"
        if hub.status != 200:
            self._send(hub.status, b"{}", {"X-Error-Code": hub.code, "X-Error-Message": "refused"}, body)
        elif path.startswith(api) and path.removeprefix(api).split("/")[-1] not in ("", "main", COMMIT):
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
        elif path.startswith(f"{api}/tree/"):
            self._send(200, json.dumps([hub.entry(name) for name in hub.files]).encode(), {}, body)
        elif path == api or path.startswith(f"{api}/revision/"):
            info = {"id": hub.repository, "sha": COMMIT, "siblings": [hub.entry(name) for name in hub.files]}
            self._send(200, json.dumps(info).encode(), {}, body)
        elif path.startswith(resolve) and (name := path.removeprefix(resolve).split("/", 1)[1]) in hub.files:
            self._send_file(name, body)
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)

    def _send_file(self, name: str, body: bool) -> None:
        data = self._hub.files[name]
        if name in self._hub.damaged:
            data = bytes([data[0] ^ 1]) + data[1:]
        headers = {"ETag": f'"{self._hub.etag(name)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        first, status = 0, 200
        if wanted := self.headers.get("Range"):
            self._hub.ranges.append(wanted)
            first, status = int(wanted.removeprefix("bytes=").split("-")[0]), 206
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        self._send(status, data[first:], headers, body, watched=self._hub.is_large(name))

    def _send(self, status: int, data: bytes, headers: Mapping[str, str], body: bool, watched: bool = False) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), "Content-Type": "application/json", **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if not body:
            return
        hub = self._hub
        if watched and hub.drop_at:
            data, hub.drop_at = data[: hub.drop_at], 0
            self.close_connection = True
        if watched and hub.halt_at:
            self.wfile.write(data[: hub.halt_at])
            hub.halted.set()
            hub.release.wait()
            self.close_connection = True
        else:
            self.wfile.write(data)
