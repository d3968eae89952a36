"""A small journal in which every kind of thing is kept, with words that would like to be something else."""

from pathlib import Path

from desktop.records import (
    Category,
    CheckIn,
    Entry,
    ExerciseDone,
    Level,
    Message,
    ModelIdentity,
    Note,
    NoteKind,
    Origin,
    Role,
    SafetyEvent,
    State,
)
from desktop.store.attachments import Attachments
from desktop.store.bin import Bin
from desktop.store.chats import Chats
from desktop.store.database import Vault
from desktop.store.exercises_done import ExercisesDone
from desktop.store.journals import Journals
from desktop.store.notes import Notes
from desktop.store.safety_events import SafetyEvents

TIME = "2026-11-24T23:30:00.000000Z"
LATER = "2026-11-25T08:00:00.000000Z"
TRICKY = "=cmd|' /C calc'!A0 <script>alert(1)</script> # [x](javascript:1)"
# The smallest picture there is: one pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63606060f80f0001040100"
    "5fe5c34b0000000049454e44ae426082"
)
MODEL = ModelIdentity("llama-2-7b-chat", "ab" * 32)


def full_journal(folder: Path) -> None:
    """Makes it in `folder`."""
    vault = Vault.open(folder)
    chats, journals, notes = Chats(vault), Journals(vault), Notes(vault)
    chats.start("talk", TRICKY, TIME, "Europe/Berlin")
    chats.add(Message("asked", "talk", Role.USER, TRICKY, State.DONE, TIME))
    chats.add(Message("answered", "talk", Role.ASSISTANT, "I hear you.", State.INTERRUPTED, LATER, "asked", MODEL))
    chats.add(Message("careful", "talk", Role.WRITTEN, "Please call.", State.DONE, LATER, "asked"))
    chats.edit("asked", TRICKY + "!", LATER)
    chats.start("gone", "thrown away", TIME)
    Bin(vault).put("gone", LATER)
    entry = Entry(
        "a" * 32, TRICKY, "before", TIME, "Europe/Berlin", TIME, CheckIn(7, None, 0, 10), ("calm",), ("sea",), "talk"
    )
    journals.add(entry)
    journals.edit(Entry(**{**vars(entry), "text": f"**out**\n\n{TRICKY}", "updated_at": LATER}))
    Attachments(vault).add("picture", entry.id, "sea.png", PNG, TIME)
    notes.add(Note("note", NoteKind.PLAN_PEOPLE, "my sister", Origin.WRITTEN, TIME, "UTC", TIME))
    notes.edit(Note("note", NoteKind.PLAN_PEOPLE, "my sister, my aunt", Origin.WRITTEN, TIME, "UTC", LATER))
    ExercisesDone(vault).add(ExerciseDone("done", "grounding", (("Five things?", TRICKY),), "talk", TIME, "UTC"))
    SafetyEvents(vault).add(SafetyEvent("event", Level.HIGH, Category.GRIEF, "talk", "asked", TIME, "UTC"))
    vault.close()
