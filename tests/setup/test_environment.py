"""The files that set the project up agree, and the set-up says clearly why it cannot go on."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from autograder.build import from_script
from autograder.course import assignments

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(text) for group in (PROJECT["dependencies"], *extras) for text in group]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda r: r.name)
def test_every_dependency_is_pinned_within_its_range(requirement):
    pinned = constraints()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pinned), pinned


def test_every_dependency_says_what_it_is_for():
    text = (ROOT / "pyproject.toml").read_text()
    for requirement in requirements():
        assert re.search(rf'^  "{re.escape(requirement.name)}[^"]*", +# \w', text, re.MULTILINE)


def test_torch_is_pinned_as_documented():
    assert constraints()["torch"] == "2.13.0"
    assert "torch==2.13.0" in (ROOT / "README.md").read_text()


def test_conda_installs_the_same_through_pip():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, through_pip = environment["dependencies"]
    assert Requirement(python.replace("=", "==")).name == "python"
    assert python.split("=")[1] in PROJECT["requires-python"]
    assert pip == "pip"
    assert through_pip["pip"] == ["--constraint constraints.txt", "--editable .[test]"]


def test_ci_calls_the_test_command_of_the_readme():
    assert "make test" in (ROOT / "README.md").read_text()
    commands = [
        line
        for line in (ROOT / ".ci/run").read_text().splitlines()
        if line and not line.startswith(("#", "set "))
    ]
    assert commands == ['cd "$(dirname "$0")/.."', "make test"]


def test_the_readme_lists_the_notebooks_as_their_headers_do():
    table = (ROOT / "README.md").read_text()
    for assignment in assignments():
        about = from_script(assignment.script).metadata["descent"]
        link = f"[{assignment.name}](course/{assignment.name}/{assignment.notebook}.ipynb)"
        assert f"| {link} | {about['title']} | {about['points']} | {about['minutes']} |" in table


def install_with(tmp_path: Path, python: str) -> subprocess.CompletedProcess:
    """Run the installer in a copy of the project whose python3 is a given script."""
    (tmp_path / "tools").mkdir()
    script = tmp_path / "tools" / "install.sh"
    script.write_text((ROOT / "tools/install.sh").read_text())
    fake = tmp_path / "python3"
    fake.write_text(f"#!/bin/sh\n{python}\n")
    fake.chmod(0o755)
    return subprocess.run(
        ["sh", str(script)],
        env={**os.environ, "PYTHON": str(fake)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        (
            'case "$*" in *version_info*) exit 1;; --version) echo Python 3.8.2;; esac',
            "Python 3.8.2 is too old: Descent needs Python 3.11 or newer",
        ),
        (
            'case "$*" in *ensurepip*) exit 1;; esac',
            "apt install python3-venv",
        ),
        (
            'case "$*" in "-m venv"*) mkdir -p .venv/bin; printf "#!/bin/sh\\nexit 1\\n"'
            " > .venv/bin/pip; chmod +x .venv/bin/pip;; esac",
            "could not install the packages. Without a network",
        ),
    ],
    ids=["old", "no venv", "no network"],
)
def test_a_set_up_that_cannot_go_on_says_why_in_one_sentence(tmp_path, python, sentence):
    done = install_with(tmp_path, python)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert sentence in done.stderr


def test_a_missing_python_is_named(tmp_path):
    (tmp_path / "tools").mkdir()
    script = tmp_path / "tools" / "install.sh"
    script.write_text((ROOT / "tools/install.sh").read_text())
    environment = {**os.environ, "PYTHON": "python-that-is-not-there"}
    done = subprocess.run(["sh", str(script)], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no python-that-is-not-there found" in done.stderr


def test_nothing_is_installed_twice(tmp_path):
    """Make runs the installer only if a requirement is newer than the last installation."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "tools").mkdir()
    installer = tmp_path / "tools" / "install.sh"
    installer.write_text("#!/bin/sh\nmkdir -p .venv && echo installed >> log\n")
    installer.chmod(0o755)

    def installations() -> int:
        subprocess.run(["make", "install"], cwd=tmp_path, check=True, capture_output=True)
        return len((tmp_path / "log").read_text().splitlines())

    assert [installations(), installations()] == [1, 1]
    later = (tmp_path / "log").stat().st_mtime + 10
    os.utime(tmp_path / "constraints.txt", (later, later))
    assert installations() == 2
