"""Five hundred damaged notebooks: each ends in a grade or a reasoned zero, none in a stop."""

import copy
import json
import random
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest

RIGHT = {"f": "def f(x): return 2 * x", "g": "def g(x): return x * x"}
CHECKS = {"f": "assert f(3) == 6", "g": "assert g(3) == 9"}
JUNK = [None, True, -1, 1e308, "", "x" * 1000, "\ud800", [], {}, [[]], {"a": {}}, [None], "\x00"]
COUNT = 500


def spots(value, path=()):
    """Yield the path of everything in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        if isinstance(inner, dict | list):
            yield from spots(inner, (*path, key))
        else:
            yield (*path, key)


def at(value, path):
    for key in path:
        value = value[key]
    return value


def damaged(notebook: dict, rng: random.Random) -> bytes:
    """Return a notebook's file with one to four things broken."""
    notebook = copy.deepcopy(notebook)
    for _ in range(rng.randint(1, 4)):
        paths = [path for path in spots(notebook) if path]
        if not paths:
            break
        *where, key = rng.choice(paths)
        parent = at(notebook, where)
        kind = rng.randrange(5)
        if kind == 0:
            del parent[key]
        elif kind == 1:
            parent[key] = copy.deepcopy(rng.choice(JUNK))
        elif kind == 2 and isinstance(parent, list):
            parent.insert(rng.randint(0, len(parent)), copy.deepcopy(parent[key]))
        elif kind == 3 and isinstance(parent, list):
            rng.shuffle(parent)
        elif isinstance(parent, dict):
            parent[str(rng.choice(["cells", "source", "x", key]))] = parent.pop(key)
    content = json.dumps(notebook).encode("utf-8", "surrogatepass")
    if rng.random() < 0.3:
        content = bytearray(content)
        for _ in range(rng.randint(1, 5)):
            if content:
                content[rng.randrange(len(content))] = rng.randrange(256)
        content = bytes(content[: rng.choice([len(content), rng.randint(0, len(content))])])
    return content


def test_every_damaged_notebook_ends_in_a_grade_or_a_reasoned_zero(engine, judge, tmp_path):
    whole = judge(CHECKS, RIGHT)
    assert [cell.score for cell in whole.cells[:2]] == [2, 2]
    notebook = json.loads((tmp_path / "submitted" / "toy.ipynb").read_text())
    source = tmp_path / "solution" / "toy.ipynb"
    rng = random.Random(20260)
    folders = []
    for number in range(COUNT):
        folder = tmp_path / "class" / str(number)
        folder.mkdir(parents=True)
        (folder / "toy.ipynb").write_bytes(damaged(notebook, rng))
        folders.append(folder)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda f: engine.grade(source, f, seed="s"), folders))

    right = 0
    for folder, outcome in zip(folders, outcomes, strict=True):
        assert [cell.grade_id for cell in outcome.cells] == ["f-check", "g-check", "essay"], folder
        for cell in outcome.cells:
            assert cell.score in (0.0, 1.0, 2.0, None), folder
            assert cell.reason or cell.score in (cell.points, None), (folder, cell)
            assert "could not be graded" not in cell.reason, (folder, cell)
        if all(cell.score == 0 for cell in outcome.cells):
            assert outcome.flags, folder
        nbformat.validate(outcome.notebook)
        right += outcome.cells[0].score == 2
    assert COUNT / 4 < right < COUNT  # much of the damage is harmless, some is not


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "toy.ipynb is empty"),
        (b"  \n", "toy.ipynb is empty"),
        (b"\xff\xfe{}", "toy.ipynb is not UTF-8 text"),
        (b"{", "toy.ipynb is not JSON; perhaps it was cut short"),
        (b"[" * 100_000, "toy.ipynb is not JSON; perhaps it was cut short"),
        (b"[" + b"9" * 5000 + b"]", "toy.ipynb is not JSON; perhaps it was cut short"),
        (b"[]", "toy.ipynb is JSON, but no notebook: it has no list of cells"),
        (b'{"cells": 3}', "toy.ipynb is JSON, but no notebook: it has no list of cells"),
        (b" " * (2**20 + 1), "toy.ipynb has 1 MB; the limit is 1"),
    ],
    ids=range(9),
)
def test_what_is_no_notebook_is_a_zero_with_the_reason(judge, engine, tmp_path, content, reason):
    judge(CHECKS, RIGHT)
    (tmp_path / "submitted" / "toy.ipynb").write_bytes(content)
    outcome = engine.grade(tmp_path / "solution" / "toy.ipynb", tmp_path / "submitted", seed="s")
    assert [(cell.score, cell.reason) for cell in outcome.cells] == [(0.0, reason)] * 3
    assert outcome.flags == [reason]


def test_a_file_of_a_hundred_megabytes_is_not_read(judge, engine, tmp_path):
    judge(CHECKS, RIGHT)
    with (tmp_path / "submitted" / "toy.ipynb").open("wb") as file:
        file.truncate(100 * 2**20)
    outcome = engine.grade(tmp_path / "solution" / "toy.ipynb", tmp_path / "submitted", seed="s")
    assert outcome.cells[0].reason == "toy.ipynb has 100 MB; the limit is 1"


def test_no_folder_and_a_renamed_file(judge, engine, tmp_path):
    judge(CHECKS, RIGHT)
    source = tmp_path / "solution" / "toy.ipynb"
    reason = engine.grade(source, tmp_path / "nobody", seed="s").cells[0].reason
    assert reason == "no notebook named toy.ipynb was handed in"
    (tmp_path / "submitted" / "toy.ipynb").rename(tmp_path / "submitted" / "final.ipynb")
    reason = engine.grade(source, tmp_path / "submitted", seed="s").cells[0].reason
    assert reason == "no notebook named toy.ipynb was handed in (found final.ipynb)"
