"""What a test cell can ask of a student's function, and what it sees."""

import nbformat
import pytest

from autograder.referee.matching import marks


def test_values_go_and_come_as_themselves(one):
    check = """
for value in (1, 2.5, True, None, "text", [1, (2, {"a": 3.0})], torch.float16, 1e-310):
    back = f(value)
    assert back == value and type(back) is type(value), (back, value)
w = torch.randn(3, 2, dtype=torch.bfloat16)
assert torch.equal(f(w), w) and f(w).dtype == torch.bfloat16
"""
    result, _ = one(check, "def f(x): return x")
    assert (result.score, result.reason) == (2.0, "")


def test_arguments_are_copied_back_where_they_were_changed(one):
    check = """
w, seen, more = torch.ones(2), [torch.zeros(2), 1], {"a": 1}
inner = seen[0]
f(w, seen, more)
assert torch.equal(w, torch.tensor([2.0, 2.0])), w
assert seen[0] is inner and torch.equal(inner, torch.ones(2)) and seen[1] == "new"
assert more == {"b": 2}
"""
    answer = """
def f(w, seen, more):
    w *= 2
    seen[0] += 1
    seen[1] = "new"
    del more["a"]
    more["b"] = 2
"""
    assert one(check, answer)[0].reason == ""


def test_an_unchanged_argument_stays_the_same_object(one):
    check = "w = torch.ones(2)\nf(w)\nassert torch.equal(w, torch.ones(2))"
    assert one(check, "def f(w): return w + 1")[0].score == 2
    assert "AssertionError" in one(check, "def f(w): w += 1")[0].reason


def test_a_generator_moves_on(one):
    check = """
g, same = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
assert torch.equal(f(g), torch.rand(3, generator=same))
assert torch.equal(torch.rand(3, generator=g), torch.rand(3, generator=same))
"""
    assert one(check, "def f(g): return torch.rand(3, generator=g)")[0].reason == ""


def test_callbacks_come_back_and_every_point_is_seen(one):
    check = """
points = []
def slope(w, scale=1.0):
    points.append(w.item())
    return 2 * scale * w
assert f(slope).item() == 24.0
assert points == [3.0, 6.0]
"""
    answer = "def f(slope): return slope(slope(torch.tensor(3.0)), scale=2.0)"
    assert one(check, answer)[0].reason == ""


def test_functions_in_a_list_can_be_called_and_do_not_change_it(one):
    check = """
slopes = [lambda w: 2 * w, lambda w: 3 * w]
before = list(slopes)
assert f(slopes) == [2.0, 3.0]
assert slopes == before
"""
    answer = "def f(slopes): return [slope(torch.tensor(1.0)).item() for slope in slopes]"
    assert one(check, answer)[0].reason == ""


def test_a_failing_callback_fails_the_call(one):
    check = "def slope(w): raise ValueError('outside')\nf(slope)"
    reason = one(check, "def f(slope): return slope(1)")[0].reason
    assert reason == "RuntimeError: ValueError: outside"


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        ("ValueError('no')", "ValueError: no"),
        ("NotImplementedError()", "NotImplementedError"),
        ("SystemExit(0)", "SystemExit: 0"),
        ("StopIteration(1)", "StopIteration: 1"),
        ("KeyError('lr')", "KeyError: 'lr'"),
        ("type('Mine', (Exception,), {})('own')", "Mine: own"),
    ],
)
def test_exceptions_are_of_the_students_type(one, raised, reason):
    assert one("f()", f"def f(): raise {raised}")[0].reason == reason


def test_a_check_may_ask_for_an_exception(one):
    check = "try:\n    f(-1)\nexcept ValueError: pass\nelse:\n    raise AssertionError('takes -1')"
    assert one(check, "def f(x):\n    if x < 0: raise ValueError('negative')")[0].score == 2
    assert one(check, "def f(x): return x")[0].reason == "AssertionError: takes -1"


def test_plain_names_are_read_and_a_function_may_be_a_lambda_or_a_class(judge):
    outcome = judge(
        {"f": "assert f(2) == 4 and constants == {'g': 9.81}", "Pair": "assert Pair(1) == [1, 1]"},
        {
            "f": "f = lambda x: x * x\nconstants = {'g': 9.81}",
            "Pair": "class Pair(list):\n    def __init__(self, x): super().__init__([x, x])",
        },
    )
    assert [cell.score for cell in outcome.cells] == [2, 2, None]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("g = 1", "'f' is not defined"),
        ("import torch as f", "the check cannot use it: f: f is a module"),
        ("f = object()", "the check cannot use it: f: a object cannot be sent: expected numbers"),
        ("f = 3", "TypeError: 'int' object is not callable"),
    ],
)
def test_names_that_are_no_function(one, answer, reason):
    assert reason in one("f(1)", answer)[0].reason


def test_a_locked_function_may_use_the_students(judge):
    outcome = judge(
        {"f": "assert twice(3) == 12"},
        {"f": "def f(x): return 2 * x"},
        setup="def twice(x):\n    return f(f(x))",
    )
    assert outcome.cells[0].reason == ""


def test_the_students_state_lives_on_between_cells(judge):
    outcome = judge(
        {"f": "assert f() == 1 and f() == 2", "g": "assert f() == 3 and g() == 'data'"},
        {
            "f": "n = 0\ndef f():\n    global n\n    n += 1\n    return n",
            "g": "import helper\ndef g(): return open('data.txt').read()",
        },
        files={"data.txt": b"data", "helper.py": b"x = 1", "sub/deep/er.txt": b"y"},
    )
    assert [cell.score for cell in outcome.cells[:2]] == [2, 2], outcome.cells


def test_partial_credit_is_the_last_value(one):
    assert one("1.5", "def f(): pass")[0].score == 1.5
    assert one("'text'", "def f(): pass")[0].score == 2
    assert "3 of 2 points" in one("3", "def f(): pass")[0].reason


def test_outputs_errors_and_figures_are_kept_for_feedback(one):
    answer = """
import matplotlib.pyplot as plt
print("hello")
plt.plot([1, 2])
plt.show()
def f(): pass
1 / 0
"""
    _, outcome = one("f()", answer)
    shown = next(cell for cell in outcome.notebook.cells if cell.id == "f").outputs
    assert [output.output_type for output in shown] == ["stream", "display_data", "error"]
    assert shown[0].text == "hello\n"
    assert shown[1].data["image/png"].startswith("iVBOR")
    assert "1 / 0" in shown[2].traceback[0] and "referee" not in shown[2].traceback[0]
    nbformat.validate(outcome.notebook)


def test_hidden_tests_are_not_shown_and_know_the_seed(one):
    check = """assert f(1) == 1, "one"
### BEGIN HIDDEN TESTS
import os
assert os.environ["DESCENT_SEED"] == "seed-of-the-class"
assert f(7) == 49, "another number"
### END HIDDEN TESTS"""
    result, outcome = one(check, "def f(x): return 1")
    assert result.reason == "AssertionError: another number"
    assert "f(7)" not in str(outcome.notebook) and "DESCENT_SEED" not in str(outcome.notebook)


def test_warnings_cost_nothing(one):
    check = "import warnings, sys\nwarnings.warn('old')\nprint('!', file=sys.stderr)\nf()"
    answer = "import warnings\ndef f():\n    warnings.warn('older')"
    assert one(check, answer)[0].score == 2


def test_a_crash_costs_what_it_concerns_and_nothing_else(judge):
    checks = {name: f"assert {name}() == 1" for name in ("a", "b", "c", "d")}
    outcome = judge(
        checks,
        {
            "a": "import os\ndef a(): return 1",
            "b": "def b(): os._exit(3)",
            "c": "def c(): return 1\nos._exit(0)",
            "d": "def d(): return a()",
        },
    )
    assert [cell.score for cell in outcome.cells[:4]] == [2, 0, 0, 2]
    assert outcome.cells[1].reason == "b(…) ended your process (exit code 3)"
    assert "'c' is not defined" in outcome.cells[2].reason
    assert "cell c ended your process (exit code 0)" in outcome.flags


def test_a_loop_is_interrupted_and_the_rest_goes_on(judge):
    outcome = judge(
        {"a": "a()", "b": "assert b() == 1"},
        {"a": "def a():\n    while True: pass", "b": "def b(): return 1\nwhile True: pass"},
    )
    assert [cell.score for cell in outcome.cells[:2]] == [0, 2]
    assert outcome.cells[0].reason == "a(…) did not end within 1 s and was stopped"


def test_the_end_of_a_line_of_crashes(judge):
    names = [f"f{i}" for i in range(7)]
    outcome = judge(
        {name: f"{name}()" for name in names},
        {name: f"import os\ndef {name}(): os._exit(1)" for name in names},
    )
    assert all(cell.score == 0 for cell in outcome.cells[:-1])
    assert "your code ended its process 4 times" in outcome.cells[5].reason


def test_an_instructors_endless_check_ends(one):
    result, _ = one("while True: pass", "def f(): pass")
    assert "the check took longer" in result.reason


def test_slowness_a_little_at_a_time_ends_too(judge):
    outcome = judge(
        {"a": "for _ in range(100): a()", "b": "assert b() == 1"},
        {"a": "import time\ndef a(): time.sleep(0.7)", "b": "def b(): return 1"},
    )
    assert [cell.score for cell in outcome.cells[:2]] == [0, 2]
    assert "the check took longer" in outcome.cells[0].reason


FORBIDS = ["torch.optim", "math.hypot"]


@pytest.mark.parametrize(
    ("answer", "used"),
    [
        ("def f(): return torch.optim.SGD", "torch.optim"),
        ("from torch.optim import SGD\ndef f(): return SGD", "torch.optim"),
        (
            "import torch.optim as o\nk = o.SGD\ndef g(): return k\ndef f(): return g()",
            "torch.optim",
        ),
        ("def f():\n    from math import hypot\n    return hypot(3, 4)", "math.hypot"),
        ("def f(): return getattr(torch, 'optim')", "torch.optim"),
        ("def f(w=torch.optim.SGD): return w", "torch.optim"),
        ("def f(): return torch._fused_sgd_", "torch._fused"),
        ("from lib.rules import adam\ndef f(): return adam", "lib.rules"),
        ("import lib\ndef f(): return lib.optim.Adam", "lib.optim"),
    ],
)
def test_a_forbidden_name_is_a_zero_with_the_reason(one, answer, used):
    result, outcome = one("f()", answer, forbids=FORBIDS)
    assert result.score == 0 and result.reason.startswith(f"uses {used}")
    assert any(used in flag for flag in outcome.flags)


@pytest.mark.parametrize(
    "answer",
    [
        "optimizer = torch.optim.SGD\ndef f(optimizer=None): return 1",
        "def f(): return 'torch.optim'",
        "def g(): return torch.optim\ndef f(): return 1",
    ],
)
def test_a_forbidden_name_elsewhere_costs_nothing(one, answer):
    assert one("_ = f()", answer, forbids=FORBIDS)[0].score == 2


def test_what_reading_misses_is_refused_while_it_runs(one):
    answer = """
hidden = [None]
def f():
    w = torch.nn.Parameter(torch.ones(1))
    w.grad = w.clone()
    step = vars(torch)["opt" + "im"].SGD([w], lr=1).step
    step()
"""
    assert "torch.optim may not be used" in one("f()", answer, forbids=["torch.optim"])[0].reason


def test_a_forbidden_module_leaves_alone_what_it_only_imports(one):
    answer = """
optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1)
def f():
    optimizer.step()
"""
    assert one("f()", answer, forbids=["lib.training"])[0].reason == ""


def test_a_harness_runs_beside_the_functions(judge):
    check = """
from lib.harness import where_it_lives
assert f.run_harness("where_it_lives", [f, g], {"x": torch.tensor(2.0)}) == ["function", 6.0]
"""
    answer = "def f(function, x): return [type(function).__name__, function(x).item()]"
    outcome = judge({"g": "", "f": check}, {"g": "def g(x): return 3 * x", "f": answer})
    assert outcome.cells[1].reason == ""


def test_unanswered_questions_are_zero_and_answered_ones_a_persons(judge):
    assert judge({"f": "f()"}, {"essay": ""}).cells[-1].reason == "no answer was given"
    stub = "# YOUR CODE HERE\nraise NotImplementedError()"
    assert judge({"f": "f()"}, {"essay": stub}).cells[-1].score == 0
    assert judge({"f": "f()"}, {"essay": "Because."}).cells[-1].score is None


def test_the_outcome_says_what_it_cost(judge):
    outcome = judge({"f": "f()"}, {"f": "def f(): return sum(range(10**6))"})
    assert 0 < outcome.seconds < 20
    assert outcome.usage["student_cpu"] > 0 and outcome.usage["processes"] == 1
    assert {marks(cell).get("grade_id") for cell in outcome.notebook.cells} >= {"f", "f-check"}
