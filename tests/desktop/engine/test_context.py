"""What of a long talk the model sees."""

import itertools

from desktop.engine.context import fit, fit_into, merge
from desktop.engine.protocol import Turn


def turn(role: str, words: int) -> Turn:
    return Turn(role=role, content=" ".join(["w"] * words))


def count(turns: list[Turn]) -> int:
    return sum(len(t["content"].split()) for t in turns)


def a_talk(turns: int, words: int = 10) -> list[Turn]:
    return [turn("system", 20)] + [turn("assistant" if i % 2 else "user", words) for i in range(turns)]


def test_what_fits_is_left_as_it_is() -> None:
    assert fit(a_talk(3), 50, count) == (a_talk(3), 0)


def test_the_system_text_and_the_last_message_are_always_seen_and_no_turn_is_split() -> None:
    talk = a_talk(41)
    fitted = fit(talk, 100, count)
    assert fitted
    seen, unseen = fitted
    assert seen[0] == talk[0]
    assert seen[1:] == talk[1 + unseen :]
    assert seen[1]["role"] == "user"
    assert count(seen) <= 100


def test_the_cut_stays_for_many_turns_and_then_jumps() -> None:
    cuts = []
    for length in range(1, 61, 2):
        fitted = fit(a_talk(length), 100, count)
        assert fitted
        cuts.append(fitted[1])
    assert cuts == sorted(cuts)
    moves = sum(1 for earlier, later in itertools.pairwise(cuts) if later != earlier)
    assert 0 < moves <= len(cuts) // 2


def test_a_last_message_that_does_not_fit_is_refused_and_an_earlier_one_is_left_out() -> None:
    assert fit([*a_talk(2), turn("user", 500)], 100, count) is None
    assert fit([*a_talk(2), turn("user", 500), turn("user", 5)], 100, count) == (
        [turn("system", 20), turn("user", 5)],
        3,
    )


def test_a_tiny_context_goes_without_the_system_text_before_it_refuses() -> None:
    system, message = turn("system", 80), turn("user", 40)
    assert fit_into(400, 100, [system, message], count) == ([system, message], 0)
    assert fit_into(100, 100, [system, message], count) == ([message], 0)
    assert fit_into(100, 100, [system, turn("user", 80)], count) == ([turn("user", 80)], 0)
    assert fit_into(100, 100, [system, turn("user", 90)], count) is None


def test_messages_that_stayed_unanswered_are_joined() -> None:
    talk = [Turn(role="user", content="a"), Turn(role="user", content="b"), Turn(role="assistant", content="c")]
    assert merge(talk) == [Turn(role="user", content="a\n\nb"), Turn(role="assistant", content="c")]
    assert talk[0]["content"] == "a"
