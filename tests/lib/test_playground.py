"""The playground: its page computes what lib computes, and answers to slider, click and keys."""

import shutil
import subprocess

import matplotlib
import pytest
import torch

from lib import playground, trajectories

matplotlib.use("Agg")

SETTINGS = {"lr": 0.01, "beta1": 0.8, "beta2": 0.95}


def chromium() -> str | None:
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page, opened in a real browser."""
    if chromium() is None:
        pytest.skip("no Chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api")
    file = tmp_path_factory.mktemp("page") / "playground.html"
    playground.write_html(file)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        opened = browser.new_page(viewport={"width": 1100, "height": 800})
        errors = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.on(
            "request", lambda request: errors.append(request.url) if "http" in request.url else None
        )
        opened.goto(file.as_uri())
        yield opened
        browser.close()
    assert errors == []


@pytest.mark.browser
@pytest.mark.parametrize("surface", playground.SURFACES)
@pytest.mark.parametrize("optimizer", playground.OPTIMIZERS)
def test_the_page_computes_what_the_library_computes(page, surface, optimizer):
    lr = SETTINGS["lr"] / (20 if surface.startswith("Rosen") else 1)
    there = page.evaluate(
        "([surface, rule, start, h]) => path(surface, rule, start, 60, h)",
        [surface, optimizer, [-0.9, 0.7], {**SETTINGS, "lr": lr}],
    )
    step = playground.step_of(optimizer, **{**SETTINGS, "lr": lr})
    start = torch.tensor([-0.9, 0.7], dtype=torch.float64)
    here = trajectories.descend(playground.SURFACES[surface], step, start, 60)
    torch.testing.assert_close(
        torch.tensor(there, dtype=torch.float64), here.w, rtol=1e-7, atol=1e-9
    )


def picture(page) -> str:
    return page.evaluate("canvas.toDataURL()")


@pytest.mark.browser
def test_a_slider_changes_the_path(page):
    before, table = picture(page), page.inner_text("#results")
    page.locator("#lr").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert picture(page) != before
    assert page.inner_text("#results") != table
    assert page.inner_text("#lr-value") == "0.035"


@pytest.mark.browser
def test_a_click_sets_the_start(page):
    before = picture(page)
    box = page.locator("#canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert abs(float(page.input_value("#x"))) < 0.02
    assert abs(float(page.input_value("#y"))) < 0.02
    assert picture(page) != before


@pytest.mark.browser
def test_every_control_has_a_name(page):
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, select')]"
        ".filter(e => !e.labels.length || !e.labels[0].innerText.trim()).map(e => e.id)"
    )
    assert unnamed == []


def test_the_page_stands_alone(tmp_path):
    playground.write_html(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "http" not in text
    assert len(text) < 40_000


def test_the_still_draws_paths_and_losses(monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda: None)
    playground.draw("ravine", ["momentum", "Adam"], lr=0.01, steps=5)
    left, right = plt.gcf().axes
    assert [line.get_label() for line in right.get_lines()] == ["momentum", "Adam"]
    assert len(left.get_legend().get_texts()) == 2
    plt.close("all")


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="no optimizer 'magic'; there are: gradient descent"):
        playground.step_of("magic", **SETTINGS)


@pytest.mark.slow
def test_the_widgets_run_in_a_notebook(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    source = "from lib import playground\nplayground.show()"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    client = nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3")
    client.execute(stderr=subprocess.DEVNULL)
    kinds = {key for output in notebook.cells[0].outputs for key in output.get("data", {})}
    assert "application/vnd.jupyter.widget-view+json" in kinds
    assert "image/png" in kinds
