"""An IPython shell without a kernel: it runs cells and keeps their outputs as a notebook does.

Starting a kernel costs a second and a connection; a shell that was made before the fork costs
nothing. Outputs are kept as plain dictionaries in nbformat's form, and bounded while they are made,
so that an endless loop of prints ends at a line that says so.
"""

from __future__ import annotations

import base64
import io
import sys
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from autograder.referee.limits import Limits

CUT = "\n… the rest of this cell's output is left out: it passed the limit of {limit} characters\n"


class Recorder:
    """The outputs of the cell that is running."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.start()

    def start(self) -> None:
        """Forget everything, for the next cell."""
        self.outputs: list[dict[str, Any]] = []
        self.text, self.images, self.cut = 0, 0, False

    def stream(self, name: str, text: str) -> None:
        """Keep printed text; consecutive pieces of one stream become one output."""
        text = self._fit(text)
        if not text:
            return
        last = self.outputs[-1] if self.outputs else {}
        if last.get("name") == name:
            last["text"].append(text)
        else:
            self.outputs.append({"output_type": "stream", "name": name, "text": [text]})

    def data(self, kind: str, data: dict, **more: Any) -> None:
        """Keep something displayed: its plain text, and its image if it is one."""
        kept = {}
        for mime in ("text/plain", "text/markdown", "text/latex"):
            if isinstance(data.get(mime), str):
                kept[mime] = self._fit(data[mime])
        for mime in ("image/png", "image/jpeg"):
            image = data.get(mime)
            if isinstance(image, bytes):
                image = base64.b64encode(image).decode()
            if isinstance(image, str):
                self.images += len(image)
                if self.images <= self.limits.image_bytes:
                    kept[mime] = image
        if kept:
            self.outputs.append({"output_type": kind, "data": kept, "metadata": {}, **more})

    def error(self, name: str, value: str, lines: list[str]) -> None:
        """Keep an exception."""
        half = self.limits.output_bytes // 2
        self.outputs.append(
            {
                "output_type": "error",
                "ename": name[:200],
                "evalue": value[:half],
                "traceback": ["\n".join(lines)[-half:]],
            }
        )

    def finished(self) -> list[dict[str, Any]]:
        """Return the outputs, each stream's pieces joined."""
        return [
            {**each, "text": "".join(each["text"])} if each["output_type"] == "stream" else each
            for each in self.outputs
        ]

    def _fit(self, text: str) -> str:
        room = self.limits.output_bytes - self.text
        self.text += len(text)
        if len(text) <= room:
            return text
        if self.cut:
            return ""
        self.cut = True
        return text[: max(room, 0)] + CUT.format(limit=self.limits.output_bytes)


class Stream(io.TextIOBase):
    """A ``sys.stdout`` or ``sys.stderr`` that writes into a recorder."""

    encoding = "utf-8"

    def __init__(self, name: str, recorder: Recorder):
        self.stream_name, self.recorder = name, recorder

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Keep some text."""
        self.recorder.stream(self.stream_name, str(text))
        return len(text)


class _Hook(DisplayHook):
    """The value of a cell's last expression."""

    def start_displayhook(self):
        pass

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        self.shell.recorder.data(
            "execute_result", format_dict, execution_count=self.shell.execution_count
        )

    def finish_displayhook(self):
        pass


class _Publisher(DisplayPublisher):
    """What ``display`` shows, figures among it."""

    def publish(self, data, metadata=None, **_):
        self.shell.recorder.data("display_data", data)

    def clear_output(self, wait=False):
        pass


class Shell(InteractiveShell):
    """A shell that records. ``recorder`` is set before the first cell."""

    recorder: Recorder

    def enable_gui(self, gui=None):
        """Accept ``%matplotlib inline``; there is no event loop to start."""

    def _showtraceback(self, etype, evalue, stb):
        self.recorder.error(etype.__name__, str(evalue), [str(line) for line in stb])

    def ask_exit(self):
        """Do nothing: ``exit`` in a cell ends nothing."""

    def record(self, source: str, limits: Limits) -> list[dict[str, Any]]:
        """Run a cell and return its outputs."""
        self.recorder.limits = limits
        self.recorder.start()
        before = sys.stdout, sys.stderr
        sys.stdout = Stream("stdout", self.recorder)
        sys.stderr = Stream("stderr", self.recorder)
        try:
            self.run_cell(source, store_history=True)
        finally:
            sys.stdout, sys.stderr = before
        return self.recorder.finished()


def make_shell() -> Shell:
    """Return a new shell with inline figures."""
    config = Config()
    config.HistoryManager.enabled = False  # its file and its thread have no place before a fork
    shell = Shell.instance(config=config, displayhook_class=_Hook, display_pub_class=_Publisher)
    shell.recorder = Recorder(Limits())
    shell.colors = "nocolor"
    shell.run_line_magic("matplotlib", "inline")
    return shell
