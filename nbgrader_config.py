"""Map nbgrader's folders onto this project, for `nbgrader …` and the Formgrader alike."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent if "__file__" in globals() else Path.cwd()
CLASS = Path(os.environ.get("DESCENT_CLASS", ROOT / "classroom")).resolve()

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "descent"
c.CourseDirectory.root = str(ROOT)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "course"
c.CourseDirectory.submitted_directory = str(CLASS / "submitted")
c.CourseDirectory.autograded_directory = str(CLASS / "autograded")
c.CourseDirectory.feedback_directory = str(CLASS / "feedback")
c.CourseDirectory.db_url = f"sqlite:///{CLASS / 'gradebook.db'}"
# Nothing but notebooks leaves solutions/: the script beside each holds the answers.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.py", "*.pyc", "__pycache__", "*.toml"]

c.Exchange.root = str(CLASS / "exchange")
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}
c.ClearSolutions.text_stub = "*Your answer here: a few sentences, with the numbers you argue from.*"
c.Execute.timeout = int(os.environ.get("DESCENT_CELL_TIMEOUT", "120"))
c.Execute.interrupt_on_timeout = True
c.Execute.error_on_timeout = {
    "ename": "CellTimeoutError",
    "evalue": "this cell did not end in time",
    "traceback": ["This cell did not end in time and was interrupted."],
}

# The hidden cases' seed belongs to the class, so that a regrade draws the same numbers.
seed = CLASS / "seed"
if seed.is_file():
    os.environ["DESCENT_SEED"] = seed.read_text().strip()

# `nbgrader autograde` and the Formgrader's button use the referee, as `autograder grade` does.
from autograder.referee import plugin  # noqa: E402

plugin.configure(c)
