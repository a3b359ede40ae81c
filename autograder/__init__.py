"""The instructor's tools: build and release notebooks, grade a class, report on it."""

import os
import sys
from pathlib import Path

# nbgrader starts `alembic` by its bare name; it lies beside the Python that runs this, which a
# shell that did not activate the environment does not search.
_beside = str(Path(sys.executable).parent)
if _beside not in os.environ.get("PATH", "").split(os.pathsep):
    os.environ["PATH"] = os.pathsep.join([_beside, os.environ.get("PATH", os.defpath)])
