"""What of a long talk the model sees. Pure; never splits a turn, never touches the system text."""

from collections.abc import Callable

from desktop.engine.protocol import Turn


def merge(turns: list[Turn]) -> list[Turn]:
    """Joins neighbours of one role (a message that stayed unanswered), since templates want them to alternate."""
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1]["role"] == turn["role"]:
            merged[-1] = Turn(role=turn["role"], content=f"{merged[-1]['content']}\n\n{turn['content']}")
        else:
            merged.append(turn)
    return merged


Count = Callable[[list[Turn]], int]


def fit_into(context_length: int, answer_tokens: int, turns: list[Turn], count: Count) -> tuple[list[Turn], int] | None:
    """What `fit` gives for a model of `context_length` tokens with room for an answer.

    A very small context goes without the system text, and then with less room for the answer, before a
    message counts as too long (None).
    """
    budget = context_length - min(answer_tokens, context_length // 2)
    talk = turns[1:] if turns[0]["role"] == "system" else turns
    return fit(turns, budget, count) or fit(talk, budget, count) or fit(talk, context_length * 7 // 8, count)


def fit(turns: list[Turn], budget: int, count: Count) -> tuple[list[Turn], int] | None:
    """The system turn and the latest turns that fit into `budget` tokens, and how many were left out.

    `count` gives the tokens of a rendered prompt. The talk is walked from its beginning, and when it outgrows
    the budget the cut jumps ahead so far that half of it is free again: the beginning of the prompt then
    stays the same for many turns, and so does what the engine has read of it. None if not even the last
    turn fits.
    """
    head, talk = (turns[:1], turns[1:]) if turns[0]["role"] == "system" else ([], turns)
    if count(turns) <= budget:
        return turns, 0
    fixed = count([*head, *talk[:1]]) - count(talk[:1]) if head else 0
    sizes = [count([turn]) for turn in talk]
    start, used = 0, fixed
    for index, size in enumerate(sizes):
        used += size
        if used > budget:
            while start < index and used > budget // 2:
                used -= sizes[start]
                start += 1
    # A prompt begins with the person; single counts are a little off, so the cut is checked as a whole.
    while start < len(talk) and (talk[start]["role"] == "assistant" or count([*head, *talk[start:]]) > budget):
        start += 1
    return ([*head, *talk[start:]], start) if start < len(talk) else None
