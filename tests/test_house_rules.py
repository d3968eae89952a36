"""The rules of the house that the import linter cannot see."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "desktop").rglob("*.py"), *(ROOT / "convert").rglob("*.py")])


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> set[str]:
    """Every module that a file imports, with the names taken from it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_file_keeps_the_rules(path: Path) -> None:
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    found = imports(path)
    here = name(path)
    in_window = here.startswith(("desktop/ui/", "desktop/app/"))
    assert source.count("\n") <= 400, "a file of more than 400 lines"
    assert ast.get_docstring(tree) or here == "desktop/__init__.py", "a module without a docstring"
    assert in_window or not any(module.startswith("PySide6.QtWidgets") for module in found)
    assert in_window or here == "desktop/export/pdf.py" or not any(m.startswith("PySide6.QtGui") for m in found)
    assert not any(module.startswith("PySide6.QtNetwork") for module in found)
    assert not any(isinstance(node, ast.Global) for node in ast.walk(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.returns is not None, f"{node.name} does not say what it returns"


def test_no_module_is_a_box_for_anything() -> None:
    vague = {"utils", "helpers", "common", "manager", "base", "misc", "tools"}
    assert not [name(path) for path in SOURCES if vague & set(path.relative_to(ROOT).with_suffix("").parts)]


def test_resources_hold_data_alone() -> None:
    assert not list((ROOT / "resources").rglob("*.py"))


def test_every_error_code_has_its_sentence_and_every_text_is_used() -> None:
    with (ROOT / "resources/locale/en.toml").open("rb") as file:
        texts = tomllib.load(file)
    code = "\n".join(path.read_text("utf-8") for path in SOURCES if name(path).startswith("desktop"))
    # Codes stand in quotes where they are raised or chosen; a sentence that no quote names is shown nowhere.
    quoted = set(re.findall(r'"(\w+)"', code))
    raised = set(re.findall(r'UserError\(\s*"(\w+)"', code))
    sentences = set(texts["errors"])
    assert raised <= sentences, raised - sentences
    shown = set(re.findall(rf'"((?:{"|".join(texts)})\.\w+)"', code)) - {"journal.db"}  # a file, not a text
    written = {f"{section}.{key}" for section, entries in texts.items() for key in entries}
    assert shown <= written, shown - written
    assert written - shown <= {f"errors.{key}" for key in quoted}, written - shown


def test_every_dependency_is_locked_by_hash_and_earns_its_line() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    lock = (ROOT / "packaging/locks/app.txt").read_text("utf-8")
    architecture = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for line in wanted:
        package = re.split(r"[<>=]", line)[0]
        locked_name = re.escape(package).replace("_", "-")
        assert re.search(rf"(?mi)^{locked_name}==\S+ ", lock), f"{package} is not in the lock file"
        assert f"`{package}`" in architecture, f"ARCHITECTURE.md has no line on {package}"
    for locked in (ROOT / "packaging/locks").iterdir():
        for entry in locked.read_text("utf-8").replace("\\\n", " ").splitlines():
            assert not re.match(r"[a-zA-Z]", entry) or "--hash=sha256:" in entry, entry


def test_the_papers_are_there_and_name_what_a_person_runs() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for command in ("make run", "make test"):
        assert command in readme
    for image in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme):
        assert (ROOT / image).is_file(), image
    for paper in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "HAZARDS.md", "LICENSE"):
        assert (ROOT / paper).stat().st_size > 200
