"""What a submission came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class CellResult:
    """What one graded cell came to.

    Attributes:
        grade_id: The cell.
        score: Points earned; None if a person has to grade it.
        points: Points there were.
        reason: Why points were lost, in one line; empty if none were.
        seconds: How long its check took.
    """

    grade_id: str
    score: float | None
    points: float
    reason: str = ""
    seconds: float = 0.0


@dataclass
class Outcome:
    """What a submission came to.

    Attributes:
        notebook: The notebook as it ran, with outputs, for feedback.
        cells: One result for every graded cell of the solution notebook, in its order.
        flags: What an instructor should look at, such as a deleted cell.
        seconds: How long it took.
        usage: CPU seconds and peak memory in bytes of the student's processes and of the referee.
    """

    notebook: Any
    cells: list[CellResult]
    flags: list[str] = field(default_factory=list)
    seconds: float = 0.0
    usage: dict[str, float] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)
