"""The optimizers against torch's, the backends against the rules, and what users do with them."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from lib import backends, optim, rules

# torch.compile warns about itself while it is first imported.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")

F64, F32, BF16 = torch.float64, torch.float32, torch.bfloat16
SHAPES = [(3, 4), (4,), (), (2, 1, 3)]
SGD_ALL = {"lr": 0.1, "momentum": 0.9, "dampening": 0.4, "weight_decay": 0.03}

# class name, its options
TABLE = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.03, "maximize": True}),
    ("SGD", SGD_ALL),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.03}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.7, 0.9), "eps": 0.01, "weight_decay": 0.03}),
    ("Adam", {"lr": 0.1, "betas": (0.7, 0.9), "eps": 1e-3, "amsgrad": True, "maximize": True}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.8, "eps": 0.01, "weight_decay": 0.03}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "initial_accumulator_value": 0.1, "eps": 0.01}),
    ("Adagrad", {"weight_decay": 0.03}),
    ("Adadelta", {"lr": 0.7, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.03}),
    ("Rprop", {"lr": 0.1, "etas": (0.4, 1.5), "step_sizes": (0.03, 0.2)}),
]
IDS = [f"{name}-{'-'.join(options)}" for name, options in TABLE]
OURS = ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Rprop", "DeltaBarDelta", "SWATS"]
COMPILED = [TABLE[i] for i in (2, 3, 5, 6, 7, 8, 10, 11)]
TOLERANCE = {F64: 1e-11, F32: 2e-5, BF16: 4e-2}
ANY_BACKEND = ["eager", "foreach", pytest.param("compiled", marks=pytest.mark.slow)]
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
        ],
    ),
]


def parameters(dtype=F64, device="cpu", shapes=SHAPES):
    generator = torch.Generator().manual_seed(0)
    made = [nn.Parameter(torch.randn(s, generator=generator).to(device, dtype)) for s in shapes]
    made[0].data = made[0].data.t().contiguous().t()  # strides of its own
    return made


def set_gradients(params, step):
    """Some signs flip, some are zero; the second parameter has none at every third step."""
    generator = torch.Generator().manual_seed(100 + step)
    for index, p in enumerate(params):
        g = torch.randn(p.shape, generator=generator, dtype=F64).to(p.device, p.dtype)
        g = torch.where(g.abs() < 0.2, 0.0, g)
        p.grad = None if index == 1 and step % 3 == 0 else g


def walk(optimizer, params, steps, first=0):
    for step in range(first, first + steps):
        set_gradients(params, step)
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * (0.5 if step == 3 else 1.1)
        optimizer.step()
    return params


def snapshot(params):
    return [p.detach().clone() for p in params]


def assert_states_agree(ours, theirs, params, others, **tolerance):
    for p, q in zip(params, others, strict=True):
        if p not in ours.state:  # Adagrad's state is made early in torch, at the first step here
            assert theirs.state[q].get("step", 0) == 0
            continue
        for name, expected in theirs.state[q].items():
            if name == "step":
                assert ours.state[p]["step"] == int(expected)
            elif expected is not None:
                torch.testing.assert_close(ours.state[p][name], expected, msg=name, **tolerance)


def compare_with_torch(name, options, backend, dtype, device, shapes=SHAPES):
    params, others = parameters(dtype, device, shapes), parameters(dtype, device, shapes)
    ours = getattr(optim, name)(params, backend=backend, **options)
    theirs = getattr(torch.optim, name)(others, foreach=False, **options)
    tolerance = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    for step in range(8):
        walk(ours, params, 1, first=step)
        walk(theirs, others, 1, first=step)
        torch.testing.assert_close(params, others, **tolerance)
        assert_states_agree(ours, theirs, params, others, **tolerance)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [F64, F32, BF16], ids=str)
@pytest.mark.parametrize("backend", ["eager", "foreach"])
@pytest.mark.parametrize(("name", "options"), TABLE, ids=IDS)
def test_same_as_torch(name, options, backend, dtype, device):
    compare_with_torch(name, options, backend, dtype, device)


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("name", "options"), COMPILED, ids=[name for name, _ in COMPILED])
def test_compiled_same_as_torch(name, options, device):
    # A kernel takes seconds to compile: all shapes, and a missing gradient, in one case only.
    dtype, shapes = (F64, SHAPES) if "amsgrad" in options else (F32, SHAPES[:1])
    dtype = BF16 if name == "RMSprop" else dtype
    compare_with_torch(name, options, "compiled", dtype, device, shapes)


@pytest.mark.parametrize("backend", ANY_BACKEND)
def test_local_gains_are_the_rule(backend):
    options = {"lr": 0.1, "beta": 0.3, "gain_min": 0.5, "gain_max": 1.7}
    params, others = parameters(), parameters()
    optimizer = optim.DeltaBarDelta(params, backend=backend, **options)
    states = [rules.init(rules.delta_bar_delta, p) for p in others]
    for step in range(8):
        set_gradients(params, step)
        optimizer.step()
        for i, p in enumerate(params):
            if p.grad is not None:
                others[i], states[i] = rules.delta_bar_delta(
                    others[i], p.grad, states[i], step + 1, **options
                )
        torch.testing.assert_close(snapshot(params), [w.detach() for w in others])
    assert any((optimizer.state[p]["gain"] == 1.7).any() for p in params)


@pytest.mark.parametrize("backend", ["eager", "foreach"])
@pytest.mark.parametrize("name", [name for name in OURS if name != "SWATS"])
def test_the_class_is_the_pure_rule(name, backend):
    """With default options; SWATS, which needs the whole model, has tests of its own."""
    params = parameters()
    weights = snapshot(params)
    optimizer = getattr(optim, name)(params, backend=backend)
    rule, hyper = optimizer._rule(optimizer.param_groups[0])
    states = [rules.init(rule, w) for w in weights]
    for step in range(1, 8):
        set_gradients(params, step * 3 + 1)  # steps at which none is missing
        optimizer.step()
        for i, p in enumerate(params):
            weights[i], states[i] = rule(weights[i], p.grad, states[i], step, **hyper)
        torch.testing.assert_close(snapshot(params), weights, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("block", [1, 5, 14])
def test_blocks_do_not_change_the_result(block, monkeypatch):
    whole, cut = parameters(), parameters()
    walk(optim.Adam(whole, lr=0.1), whole, 4)
    monkeypatch.setattr(backends, "BLOCK", block)
    walk(optim.Adam(cut, lr=0.1), cut, 4)
    torch.testing.assert_close(cut, whole, rtol=0, atol=0)


@pytest.mark.parametrize("backend", ANY_BACKEND)
def test_gradients_are_left_alone(backend):
    params = parameters(F32, shapes=[(2, 3)] if backend == "compiled" else SHAPES)
    optimizer = optim.Adam(params, lr=0.1, weight_decay=0.1, maximize=True, backend=backend)
    set_gradients(params, 1)
    before = [p.grad.clone() for p in params]
    optimizer.step()
    assert all(torch.equal(p.grad, g) for p, g in zip(params, before, strict=True))


# ------------------------------------------------------------------ compilation


@pytest.mark.slow
def test_no_recompilation_when_the_hyper_parameters_change(monkeypatch):
    seen = []
    make = backends._compile
    monkeypatch.setattr(backends, "_compile", lambda *args: seen.append(args) or make(*args))
    params = parameters(F32, shapes=[(2, 3)])
    optimizer = optim.Adam(params, backend="compiled")
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)  # betas, too
    for _ in range(8):
        set_gradients(params, 1)
        optimizer.step()
        scheduler.step()
    assert len(seen) == 1
    params[0].grad = params[0].grad.t().contiguous().t()
    optimizer.step()
    assert len(seen) == 2, "other strides need another kernel"


def test_adams_program_is_what_one_would_write_by_hand():
    source = backends.Program(rules.adam, rules.AdamState, ("lr", "beta1", "beta2", "eps")).foreach
    assert [line.split("(")[0].split()[-1] for line in source.splitlines()[1:]] == [
        "_foreach_mul_",
        "_foreach_add_",
        "_foreach_mul_",
        "_foreach_addcmul_",
        "_foreach_mul",
        "_foreach_sqrt_",
        "_foreach_add_",
        "_foreach_addcdiv_",
    ]


def tangled(w, g, state, t, *, lr):
    """A made-up rule: swaps its states, keeps g, subtracts from a scalar, takes one value twice."""
    a, b = state
    total = 3 - (a + b) / 2
    ratio = -(total * g) / (lr + b * b)
    return w * ratio - lr * total * ratio, rules.AdamState(
        b - lr, torch.sqrt(ratio * ratio) + a * 2
    )


def keeps_gradient(w, g, state, t, *, lr):
    """A made-up rule: the first state becomes the gradient, the second the old first."""
    return w + state.v - g, rules.AdamState(g, state.m)


@pytest.mark.parametrize("rule", [tangled, keeps_gradient])
def test_any_arithmetic_can_be_traced(rule):
    generator = torch.Generator().manual_seed(0)
    w, g, *state = torch.randn(4, 5, dtype=F64, generator=generator)
    expected = rule(w, g, rules.AdamState(*state), 3, lr=0.3)
    for make in (backends.eager, backends.foreach):
        lists = [[x.clone()] for x in (w, g, *state)]
        make(rule, rules.AdamState, ("lr",))(lists[0], lists[1], lists[2:], 3, (0.3,))
        assert torch.equal(lists[1][0], g)
        for actual, wanted in zip((lists[0], *lists[2:]), (expected[0], *expected[1]), strict=True):
            torch.testing.assert_close(actual[0], wanted, rtol=1e-12, atol=1e-12)


def test_what_cannot_be_traced_is_refused():
    def sums(w, g, state, t, *, lr):
        return w - torch.logsumexp(g, 0), state

    with pytest.raises(NotImplementedError, match="no instruction for .*logsumexp"):
        backends.foreach(sums, rules.NoState, ("lr",))


# ------------------------------------------------------------------ what a user does


@pytest.mark.parametrize("backend", ["eager", "foreach"])
def test_groups_dtypes_and_late_parameters(backend):
    """Two dtypes in one group, another group with options of its own, a third added later."""

    def train(cls, **options):
        a, b, c, d = parameters(F64)
        b.data = b.data.to(F32)
        optimizer = cls(
            [{"params": [a, b]}, {"params": [c], "lr": 0.01, "betas": (0.5, 0.6)}],
            lr=0.1,
            **options,
        )
        walk(optimizer, [a, b, c], 3)
        optimizer.add_param_group({"params": [d], "eps": 0.1})
        walk(optimizer, [a, b, c, d], 4, first=3)
        return snapshot([a, b, c, d])

    ours, theirs = train(optim.Adam, backend=backend), train(torch.optim.Adam, foreach=False)
    for mine, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, wanted, rtol=TOLERANCE[mine.dtype], atol=1e-7)


def test_closure():
    w = nn.Parameter(torch.tensor([3.0]))
    optimizer = optim.SGD([w], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 9.0
    assert w.item() == 1.5
    assert optim.SGD([w]).step() is None


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("how", ["state_dict", "torch.save", "pickle", "deepcopy"])
def test_resuming_is_not_interrupting(name, how):
    def start():
        params = parameters()
        optimizer = getattr(optim, name)(params, lr=0.05)
        return params, optimizer, lr_scheduler.StepLR(optimizer, 3, gamma=0.5)

    def train(params, optimizer, scheduler, steps):
        for step in steps:
            set_gradients(params, step)
            optimizer.step()
            scheduler.step()
        return snapshot(params)

    whole = train(*start(), range(10))
    params, optimizer, scheduler = start()
    train(params, optimizer, scheduler, range(5))
    if how in ("pickle", "deepcopy"):
        both = (params, optimizer, scheduler)
        both = copy.deepcopy(both) if how == "deepcopy" else pickle.loads(pickle.dumps(both))
        assert both[1].backend == "foreach"
        assert both[1].param_groups[0]["params"][0] is both[0][0]
        resumed = train(*both, range(5, 10))
    else:
        saved = [snapshot(params), optimizer.state_dict(), scheduler.state_dict()]
        if how == "torch.save":
            file = io.BytesIO()
            torch.save(saved, file)
            file.seek(0)
            saved = torch.load(file, weights_only=True)
        params, optimizer, scheduler = start()
        for p, w in zip(params, saved[0], strict=True):
            p.data.copy_(w)
        optimizer.load_state_dict(saved[1])
        scheduler.load_state_dict(saved[2])
        resumed = train(params, optimizer, scheduler, range(5, 10))
    assert all(torch.equal(a, b) for a, b in zip(resumed, whole, strict=True))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("name", OURS)
def test_a_checkpoint_moves_between_devices(name):
    params, moved = parameters(F32, "cuda"), parameters(F32, "cpu")
    optimizer = getattr(optim, name)(params)
    walk(optimizer, params, 4)
    for p, q in zip(params, moved, strict=True):
        q.data.copy_(p.data)
    other = getattr(optim, name)(moved)
    other.load_state_dict(optimizer.state_dict())
    walk(optimizer, params, 4, first=4)
    walk(other, moved, 4, first=4)
    torch.testing.assert_close([p.cpu() for p in params], moved, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "options"), TABLE, ids=IDS)
@pytest.mark.parametrize("direction", ["from torch", "to torch"])
def test_checkpoints_are_torchs(name, options, direction):
    classes = [getattr(torch.optim, name), getattr(optim, name)]
    source, target = classes if direction == "from torch" else classes[::-1]
    params, moved = parameters(), parameters()
    optimizer = source(params, **options)
    walk(optimizer, params, 4)
    for p, q in zip(params, moved, strict=True):
        q.data.copy_(p.data)
    other = target(moved, **options)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    walk(optimizer, params, 5, first=4)
    walk(other, moved, 5, first=4)
    torch.testing.assert_close(moved, params, rtol=1e-11, atol=1e-11)


SCHEDULERS = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda t: 0.9**t),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda t: 0.9),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 5]),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, total_iters=3),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, total_iters=4),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.8),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 6),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 6),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 3),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=9),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ExponentialLR(o, 0.9), lr_scheduler.StepLR(o, 2)]
    ),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o), lr_scheduler.ExponentialLR(o, 0.9)], [3]
    ),
}


@pytest.mark.parametrize("schedule", SCHEDULERS)
@pytest.mark.parametrize(("name", "options"), [TABLE[2], TABLE[5]], ids=["SGD", "Adam"])
def test_schedulers(schedule, name, options):
    def train(cls):
        params = parameters()
        optimizer = cls(params, **options)
        scheduler = SCHEDULERS[schedule](optimizer)
        for step in range(8):
            set_gradients(params, step)
            optimizer.step()
            scheduler.step(*[1.0] * (schedule == "ReduceLROnPlateau"))
        return params

    expected = train(getattr(torch.optim, name))
    torch.testing.assert_close(train(getattr(optim, name)), expected, rtol=1e-11, atol=1e-11)


def test_a_tensor_as_learning_rate():
    params, others = parameters(), parameters()
    lr = torch.tensor(0.1, dtype=F64)
    walk(optim.Adam(params, lr=lr), params, 3)
    walk(torch.optim.Adam(others, lr=0.1), others, 3)
    torch.testing.assert_close(params, others, rtol=1e-11, atol=1e-11)


def test_amp_scaler_and_clipping_find_what_they_need():
    w = nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = optim.SGD([w], lr=1.0)
    w.grad = torch.tensor([3.0, 4.0])
    nn.utils.clip_grad_norm_([w], 1.0)
    optimizer.step()
    torch.testing.assert_close(w.detach(), torch.tensor([2.4, 3.2]))


# ------------------------------------------------------------------ what is refused


P = [nn.Parameter(torch.zeros(2))]
ERRORS = [
    (
        "Adam",
        {"backend": "fast"},
        ValueError,
        "backend='fast' does not exist; choose one of 'eager'",
    ),
    ("Adam", {"fused": True}, ValueError, r"Adam\(fused=True\) is not supported; choose a backend"),
    ("SGD", {"foreach": True}, ValueError, r"SGD\(foreach=True\) is not supported"),
    ("RMSprop", {"centered": True}, ValueError, r"centered=True.*torch\.optim\.RMSprop"),
    ("RMSprop", {"momentum": 0.9}, ValueError, r"momentum=0\.9.*leave it at 0"),
    ("Adam", {"capturable": True}, ValueError, "capturable=True"),
    ("Adagrad", {"differentiable": True}, ValueError, "differentiable=True"),
    ("Adam", {"decoupled_weight_decay": True}, ValueError, "decoupled_weight_decay=True"),
    ("SWATS", {"amsgrad": True}, TypeError, "unexpected keyword argument 'amsgrad'"),
    ("Adam", {"beta": 0.9}, TypeError, "unexpected keyword argument 'beta'"),
    ("Adam", {"lr": -1.0}, ValueError, r"lr=-1\.0 must not be negative"),
    ("Adam", {"betas": (0.9, 1.0)}, ValueError, r"betas=\(0\.9, 1\.0\) must both lie in \[0, 1\)"),
    ("Adam", {"eps": float("nan")}, ValueError, "eps=nan"),
    ("SGD", {"weight_decay": -0.1}, ValueError, "weight_decay=-0.1"),
    ("SGD", {"nesterov": True}, ValueError, "nesterov=True needs a momentum above 0"),
    ("Adadelta", {"rho": 1.5}, ValueError, "rho=1.5 must lie between 0 and 1"),
    ("Rprop", {"etas": (1.2, 0.5)}, ValueError, r"etas=\(1\.2, 0\.5\) must satisfy"),
    ("DeltaBarDelta", {"gain_min": 2.0}, ValueError, "gains start at 1"),
]


@pytest.mark.parametrize(("name", "options", "error", "message"), ERRORS)
def test_refusals(name, options, error, message):
    with pytest.raises(error, match=message):
        getattr(optim, name)(P, **options)


def test_a_group_is_refused_like_an_optimizer_and_leaves_nothing_behind():
    optimizer = optim.Adam(P)
    for options in ({"lr": -1.0}, {"fused": True}):
        with pytest.raises(ValueError, match="lr=-1.0|fused=True"):
            optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))], **options})
    assert len(optimizer.param_groups) == 1


def test_sparse_and_complex_are_refused():
    embedding = nn.Embedding(4, 2, sparse=True)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="SGD does not support torch.sparse_coo gradients"):
        optim.SGD(embedding.parameters()).step()
    z = nn.Parameter(torch.zeros(2, dtype=torch.complex64))
    z.grad = torch.ones_like(z)
    with pytest.raises(RuntimeError, match="Adam does not support complex parameters"):
        optim.Adam([z]).step()


def test_torchs_own_defaults_are_accepted_and_equal():
    for name in OURS:
        if hasattr(torch.optim, name):
            theirs = getattr(torch.optim, name)(P).defaults
            ours = getattr(optim, name)(P, **theirs).defaults
            assert ours == {k: v for k, v in theirs.items() if k in ours}
            assert getattr(optim, name)(P).defaults == ours


# ------------------------------------------------------------------ SWATS


SWATS = {"lr": 0.1, "betas": (0.8, 0.95), "eps": 0.005}


def swats_walk(optimizer, params, steps):
    seen = []
    for step in steps:
        set_gradients(params, 3 * step + 1)
        optimizer.step()
        seen.append(torch.cat([p.detach().flatten() for p in params]))
    return seen


@pytest.mark.parametrize(
    ("backend", "weight_decay"),
    [("eager", 0.0), ("foreach", 0.02), pytest.param("compiled", 0.02, marks=pytest.mark.slow)],
)
def test_swats_is_the_rule_on_the_whole_model(backend, weight_decay):
    params = parameters()
    cut = 4 if backend == "compiled" else 2  # a group is a kernel, and takes its time to compile
    optimizer = optim.SWATS(
        [{"params": each} for each in (params[:cut], params[cut:]) if each],
        weight_decay=weight_decay,
        backend=backend,
        **SWATS,
    )
    w = torch.cat([p.detach().flatten() for p in params])
    state, switched = rules.init(rules.swats, w), []
    for step in range(60):
        (seen,) = swats_walk(optimizer, params, [step])
        g = torch.cat([p.grad.flatten() for p in params]) + weight_decay * w
        w, state = rules.swats(w, g, state, step + 1, lr=0.1, beta1=0.8, beta2=0.95, eps=0.005)
        torch.testing.assert_close(seen, w, rtol=1e-9, atol=1e-10)
        switched.append(optimizer.switched_at)
        assert (optimizer.switched_at or 0) == state.switched.item()
    assert switched[0] is None and switched[-1] > 2, "the case must see both phases"
    assert optimizer.switch_rate == pytest.approx(state.rate.item(), rel=1e-9)


def switched(params, **options):
    optimizer = optim.SWATS(params, **{**SWATS, "eps": 1e9, **options})
    swats_walk(optimizer, params, range(2))
    assert optimizer.switched_at == 2
    return optimizer


def test_swats_frees_adams_state_and_follows_the_scheduler_after_the_switch():
    params = parameters(shapes=[(2,)])
    optimizer = switched(params)
    assert not optimizer.state[params[0]]
    optimizer.param_groups[0]["lr"] *= 0.5
    before = params[0].detach().clone()
    params[0].grad = torch.tensor([1.0, 2.0], dtype=F64)
    optimizer.step()
    expected = -(1 - 0.8) * 0.5 * optimizer.switch_rate * params[0].grad
    torch.testing.assert_close(params[0].detach() - before, expected)


def test_swats_takes_new_groups_after_the_switch():
    params = parameters(shapes=[(2,), (3,)])
    optimizer = switched(params[:1])
    optimizer.add_param_group({"params": params[1:], "lr": 7.0})
    before = params[1].detach().clone()
    set_gradients(params, 1)
    optimizer.step()
    expected = before - (1 - 0.8) * optimizer.switch_rate * params[1].grad
    torch.testing.assert_close(params[1].detach(), expected)


def test_swats_never_switches_on_a_step_without_gradients():
    params = parameters()
    optimizer = optim.SWATS(params, eps=1e9)
    for _ in range(3):
        optimizer.step()
    assert optimizer.switched_at is None and optimizer.switch_rate is None


def test_swats_remembers_the_switch():
    params = parameters()
    other = optim.SWATS(parameters(), **SWATS)
    optimizer = switched(params)
    other.load_state_dict(optimizer.state_dict())
    assert (other.switched_at, other.switch_rate) == (2, optimizer.switch_rate)
