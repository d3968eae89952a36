"""The shapes of what the window and the engine child say to each other. Never any behaviour.

To the child: `load` once, then `generate` as often as wanted; `stop` overtakes what is under way.
From the child: `loaded` or `failed` for a load; `token`s and then one `finished` or `failed` for a generate;
`alive` whenever long work moved on.
"""

from typing import Literal, TypedDict


class Turn(TypedDict):
    """One message as a chat template wants it; `role` is system, user or assistant."""

    role: str
    content: str


class Sampling(TypedDict):
    """How the next token is chosen; `seed` makes it repeatable."""

    temperature: float
    top_p: float
    min_p: float
    repeat_penalty: float
    seed: int


class Load(TypedDict):
    """`sha256` of the file where it is known already, else None; `context_length` in tokens, 0 for the default."""

    do: Literal["load"]
    path: str
    sha256: str | None
    context_length: int


class Generate(TypedDict):
    """`max_tokens` bounds the answer; ids rise with each request."""

    do: Literal["generate"]
    id: int
    turns: list[Turn]
    sampling: Sampling
    max_tokens: int


class Stop(TypedDict):
    """Ends the answer `id` and any before it."""

    do: Literal["stop"]
    id: int


class Loaded(TypedDict):
    """`name` as the file gives it; `context_length` in tokens."""

    event: Literal["loaded"]
    name: str
    sha256: str
    context_length: int


class Token(TypedDict):
    """The next piece of text, always whole characters."""

    event: Literal["token"]
    id: int
    text: str


class Finished(TypedDict):
    """`unseen` counts the earliest turns that no longer fitted into the context."""

    event: Literal["finished"]
    id: int
    reason: Literal["end", "length", "stopped"]
    unseen: int


class Failed(TypedDict):
    """`id` is 0 for a failed load; `code` and `details` are those of a UserError."""

    event: Literal["failed"]
    id: int
    code: str
    details: dict[str, str | int]


class Alive(TypedDict):
    """Long work moved on."""

    event: Literal["alive"]


Event = Loaded | Token | Finished | Failed | Alive
