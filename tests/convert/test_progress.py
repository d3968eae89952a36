import io

from convert.progress import PROGRESS, Bar, JsonLines, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def report(progress: Progress) -> None:
    progress.started(200)
    progress.wrote("token_embd.weight", 50)
    progress.wrote("output.weight", 150)
    progress.ended()


def test_a_bar_grows_names_the_tensor_and_is_wiped() -> None:
    stream = Terminal()
    report(Bar(stream))
    drawn = stream.getvalue().split("\r\033[K")
    assert [line.count("#") for line in drawn[1:4]] == [0, Bar.WIDTH // 4, Bar.WIDTH]
    assert drawn[2].endswith(" 25% token_embd.weight")
    assert drawn[-1] == ""


def test_a_bar_draws_nothing_where_nobody_watches() -> None:
    stream = io.StringIO()
    report(Bar(stream))
    assert stream.getvalue() == ""


def test_lines_are_one_object_each() -> None:
    stream = io.StringIO()
    report(JsonLines(stream))
    assert stream.getvalue().splitlines()[1] == (
        '{"event": "wrote", "tensor": "token_embd.weight", "done": 50, "total": 200}'
    )


def test_each_kind_can_be_made() -> None:
    for kind in PROGRESS.values():
        kind().ended()
