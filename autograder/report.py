"""What the gradebook holds, as people read it: grades in a terminal, a file, a page."""

from __future__ import annotations

import csv
import html
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from autograder.gradebook import Row

FIELDS = ("student", "assignment", "exercise", "score", "points", "reason")


def grade_tables(rows: Sequence[Row]) -> list[Table]:
    """Return a table an assignment: a student a line, points by exercise, and why some were lost.

    Exercises are numbered, so that they fit beside the reasons; the caption says which is which.
    """
    by_assignment: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_assignment[row.assignment][row.student].append(row)
    tables = []
    for assignment, students in by_assignment.items():
        worth = {row.exercise: row.points for results in students.values() for row in results}
        table = Table(
            title=assignment,
            title_justify="left",
            title_style="bold",
            caption=_legend(worth),
            caption_justify="left",
            caption_style="",
            pad_edge=False,
        )
        table.add_column("student", no_wrap=True)
        table.add_column("points", justify="right", no_wrap=True)
        numbers = _columns({name: str(n) for n, name in enumerate(worth, 1)}, worth)
        table.add_column(numbers, no_wrap=True)
        table.add_column("by hand", justify="right")
        table.add_column("why points were lost", ratio=1)
        for student, results in students.items():
            scores = {row.exercise: _score(row) for row in results}
            earned = sum(row.score or 0 for row in results)
            by_hand = sum(row.points for row in results if row.score is None)
            possible = sum(row.points for row in results) - by_hand
            table.add_row(
                Text(student),
                f"{earned:g}/{possible:g}",
                _columns(scores, worth),
                f"{by_hand:g}" if by_hand else "",
                Text(_losses(results)),
            )
        tables.append(table)
    return tables


def _legend(worth: dict[str, float]) -> Text:
    """Say which number is which exercise, and what it is worth."""
    # Spaces that do not break keep a number on its name's line.
    named = (
        f"{n}\N{NO-BREAK SPACE}{name}\N{NO-BREAK SPACE}({points:g})"
        for n, (name, points) in enumerate(worth.items(), 1)
    )
    return Text(f"Exercises: {', '.join(named)}. A – waits for a person: see “by hand”.")


def _score(row: Row) -> str:
    return "–" if row.score is None else f"{row.score:g}"


def _columns(texts: dict[str, str], worth: dict[str, float]) -> Text:
    """Set short texts under each other, one an exercise, eight on a line."""
    cells = [
        texts.get(name, "").rjust(max(len(str(n)), len(f"{points:g}")))
        for n, (name, points) in enumerate(worth.items(), 1)
    ]
    return Text("\n".join(" ".join(cells[i : i + 8]) for i in range(0, len(cells), 8)))


def _losses(results: Sequence[Row]) -> str:
    """Write the lost points of one student, exercises with the same reason on one line."""
    by_reason: dict[str, list[Row]] = defaultdict(list)
    for row in results:
        if row.score is not None and row.score < row.points:
            # The message names the exercise, and so does the line.
            name = row.exercise.replace("-", "_")
            by_reason[row.reason.removeprefix(f"{name}: ")].append(row)
    return "\n".join(f"{_exercises(rows, results)}: {reason}" for reason, rows in by_reason.items())


def _exercises(rows: Sequence[Row], results: Sequence[Row]) -> str:
    if len(rows) == len(results):
        return "everything"
    return ", ".join(row.exercise for row in rows)


def write_csv(rows: Iterable[Row], path: Path) -> int:
    """Write the gradebook as CSV, a line an exercise, and return how many there are.

    Cells that a spreadsheet would take for a formula are quoted with an apostrophe.
    """
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        for row in rows:
            cells = (getattr(row, field) for field in FIELDS)
            writer.writerow([_harmless(cell) for cell in cells])
            count += 1
    return count


def _harmless(value: object) -> object:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return "" if value is None else value


def class_table(rows: Sequence[Row]) -> Table:
    """Return what the class got wrong: the share of right answers and the commonest reason."""
    table = Table(pad_edge=False)
    table.add_column("exercise", no_wrap=True)
    table.add_column("right", justify="right")
    table.add_column("commonest mistakes", ratio=1)
    for exercise, right, total, reasons in summary(rows):
        table.add_row(
            exercise, f"{right}/{total}", Text("\n".join(f"{n} × {why}" for why, n in reasons))
        )
    return table


def summary(rows: Sequence[Row]) -> list[tuple[str, int, int, list[tuple[str, int]]]]:
    """Return, for every exercise: its name, how many were right, of how many, and the reasons."""
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.score is not None:
            grouped[f"{row.assignment} {row.exercise}"].append(row)
    found = []
    for name, results in grouped.items():
        wrong = Counter(
            row.reason.removeprefix(f"{row.exercise.replace('-', '_')}: ")
            for row in results
            if row.score < row.points
        )
        right = sum(row.score >= row.points for row in results)
        found.append((name, right, len(results), wrong.most_common(3)))
    return found


def write_html(rows: Sequence[Row], path: Path) -> None:
    """Write what the class got wrong as a page of its own, a bar an exercise."""
    parts = []
    for name, right, total, reasons in summary(rows):
        share = right / total
        mistakes = "".join(f"<li>{count} × {html.escape(why)}</li>" for why, count in reasons)
        parts.append(
            f"<section><h2>{html.escape(name)}</h2>"
            f'<div class="bar" role="img" aria-label="{right} of {total} right">'
            f'<span style="width:{share:.0%}"></span></div>'
            f"<p>{right} of {total} right</p><ul>{mistakes}</ul></section>"
        )
    path.write_text(_PAGE.replace("CONTENT", "\n".join(parts)), encoding="utf-8")


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>What the class got wrong</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1rem; margin: 1.5rem 0 .3rem; }
.bar { border: 1px solid #444; height: .9rem; }
.bar span { display: block; height: 100%; background: #0072B2; }
p, ul { margin: .2rem 0; }
</style></head><body><h1>What the class got wrong</h1>
CONTENT
</body></html>
"""
