"""Let plain ``nbgrader autograde`` and the Formgrader's button use the referee, too.

nbgrader runs a submission through two lists of preprocessors, and both can be named in its
configuration. The first list, which mends a notebook's metadata and stops at what it cannot mend,
is left empty; in the second, one preprocessor stands for running, scoring and saving::

    from autograder.referee import plugin
    plugin.configure(c)

What a list of preprocessors cannot reach is a file that is no notebook: nbgrader reads it before
the first of them, fails, and would leave an old score standing. So the hook that it calls before it
reads anything records the zero and its reason; nbgrader still complains, and the gradebook is
right.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbgrader.preprocessors import AssignLatePenalties, NbGraderPreprocessor
from traitlets.config import Config

from autograder.course import ROOT, Assignment, ClassFolder
from autograder.grade import fingerprint, keep, limits_of
from autograder.referee.matching import Unreadable, read_notebook
from autograder.referee.verdict import Outcome
from autograder.run import run_submission


class Referee(NbGraderPreprocessor):
    """Replaces nbgrader's Execute and SaveAutoGrades."""

    def preprocess(self, notebook: Any, resources: Any) -> tuple[Any, Any]:
        """Judge the submission that nbgrader has copied this notebook from."""
        about = resources["nbgrader"]
        database = Path(str(about["db_url"]).removeprefix("sqlite:///"))
        outcome = grade_one(database.parent, about["student"], about["assignment"], self.config)
        for flag in outcome.flags:
            self.log.warning("%s: %s", about["student"], flag)
        return outcome.notebook, resources


def grade_one(folder: Path, student: str, name: str, config: Config) -> Outcome:
    """Judge one submission and keep its results, as ``autograder grade`` does.

    Args:
        folder: The class's folder.
        student: Who.
        name: The assignment.
        config: nbgrader's configuration.
    """
    root = Path(config.CourseDirectory.get("root", ROOT))
    class_folder, assignment = ClassFolder(folder, root), Assignment(name, root)
    submitted = class_folder.submitted / student / name
    outcome = run_submission(
        assignment.solution, submitted, seed=class_folder.seed, limits=limits_of(config)
    )
    state = fingerprint(assignment, submitted, class_folder.seed)
    keep(class_folder, assignment, student, outcome, state)
    return outcome


def before(config: Config):
    """Return a hook that records what nbgrader cannot read."""

    def hook(assignment: str, notebooks: list[str], **_: Any) -> None:
        if not notebooks:
            return
        submitted = Path(notebooks[0]).parent
        folder = Path(str(config.CourseDirectory.db_url).removeprefix("sqlite:///")).parent
        root = Path(config.CourseDirectory.get("root", ROOT))
        try:
            read_notebook(submitted, Assignment(assignment, root).solution.name, limits_of(config))
        except Unreadable:
            grade_one(folder, submitted.parent.name, assignment, config)

    return hook


def configure(config: Config) -> None:
    """Set nbgrader's configuration so that it grades with the referee."""
    config.Autograde.sanitize_preprocessors = []
    config.Autograde.autograde_preprocessors = [Referee, AssignLatePenalties]
    config.Autograde.pre_convert_hook = before(config)
