"""Crisis lines and written replies: whole, from several sources, with help within reach."""

import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from support.programs import run

from desktop.records import Category, Level
from desktop.safety.lines import CRISIS_LINE, DIRECTORY, EMERGENCY, FOLDER, countries, fitting, lines
from desktop.safety.replies import reply, resources

FILES = sorted(FOLDER.glob("*.toml"))
REPLIES = Path(FOLDER.parent, "safety/replies/en.toml")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_S5_every_line_is_whole_and_names_its_sources(path: Path) -> None:
    with path.open("rb") as file:
        assert tomllib.load(file)["country"] == path.stem.upper()
    for line in lines(path.stem):
        assert line.kind in (EMERGENCY, CRISIS_LINE, DIRECTORY)
        assert line.name.strip()
        assert line.ways
        assert line.sources
        assert line.source_count >= 1
        assert not line.is_shown or line.checked or len(line.sources) >= 1


def test_S5_every_country_has_an_emergency_number_to_show() -> None:
    assert len(countries()) == 94
    for country in countries():
        shown = fitting(country, Category.SUICIDE)
        assert any(line.kind == EMERGENCY for line in shown), country
        assert any(line.kind == DIRECTORY for line in shown), country


def test_S5_a_single_source_is_kept_and_never_shown() -> None:
    hidden = [line for country in countries() for line in lines(country) if line.source_count < 2]
    assert hidden
    for country in countries():
        for category in Category:
            assert not [line for line in fitting(country, category) if line.source_count < 2]


def test_S5_unchecked_lines_say_so_and_an_unknown_country_gets_the_directories() -> None:
    text = resources(Category.SUICIDE, "DE")
    assert "112" in text
    assert "0800 111 0 111" in text
    assert "not yet checked by us" in text
    unknown = resources(Category.SUICIDE, None)
    assert "findahelpline.com" in unknown
    assert "112 in the European Union" in unknown
    assert resources(Category.SUICIDE, "../../etc") != ""


def test_S6_a_reply_is_never_said_twice_in_a_row_and_never_a_bare_list() -> None:
    for level in (Level.HIGH, Level.CRISIS):
        for category in Category:
            said: list[str] = []
            for _ in range(7):
                said.append(reply(level, category, "GB", said))
                assert len(said[-1].split("\n\n")[0]) > 150
                assert "?" in said[-1] or "please" in said[-1].lower()
            assert all(one != other for one, other in pairwise(said))


def test_S6_an_abuse_reply_brings_lines_for_it() -> None:
    assert "116 016" in reply(Level.HIGH, Category.ABUSE, "DE", [])


def test_lines_and_country_at_the_terminal(tmp_path: Path) -> None:
    listed = run("quietroom", "lines")
    assert listed.returncode == 0
    assert "DE\tGermany" in listed.stdout.decode()
    assert b"112" in run("quietroom", "lines", "de").stdout
    unknown = run("quietroom", "lines", "xx")
    assert unknown.returncode == 2
    assert b"no lines for a country XX" in unknown.stderr
    refused = run("quietroom", "country", "QQ", "--data-dir", tmp_path / "v")
    assert refused.returncode == 2
    assert b"nothing was changed" in refused.stderr


def test_S4_S5_a_crisis_at_the_terminal_gets_the_lines_of_the_country(tmp_path: Path, tiny: Path) -> None:
    folder = tmp_path / "v"
    assert run("quietroom", "country", "gb", "--data-dir", folder).returncode == 0
    done = run(
        "quietroom", "talk", "--data-dir", folder, "--model", tiny, stdin=b"I am going to kill myself tonight.\n"
    )
    assert done.returncode == 0
    answer = done.stdout.decode()
    assert "999" in answer
    assert "Samaritans" in answer
    assert "not yet checked by us" in answer
