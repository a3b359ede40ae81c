"""Every item of the lecture is taught: each is marked, by number, on a cell of its notebook."""

from pathlib import Path

import jupytext
import pytest

SOLUTIONS = Path(__file__).parents[2] / "solutions"

LECTURE = {
    "01-minibatch-noise": {
        1: "map of the lecture; first-order methods, second-order ones rarely used, and why",
        2: "a minibatch is a sample of the training set, itself a sample",
        3: "noise: good for escape, bad for oscillation",
        4: "which opportunities for parallelism?",
        5: "an interactive visualization with low and high learning rates",
        6: "sizes 32 to 1024, and powers of two",
        7: "as large as GPU memory allows; matrix products and dense layers are the bottleneck",
        8: "batch size and the number of classes",
        9: "iris: the class distribution under random subsampling",
        23: "seven weight initializations, read as a lesson on seeds",
    },
    "02-lr-decay": {
        10: "minibatch loss beside whole-set loss",
        11: "the danger of decaying early",
        12: "train without decay first",
        13: "judge decay by validation performance",
        14: "exponential decay",
        15: "halving",
        16: "inverse decay",
        17: "triangular cyclical learning rate, which did not work for the lecturer",
        18: "adjust_learning_rate",
        19: "LambdaLR with two groups and last_epoch",
        20: "the ExponentialLR training example",
        21: "saving model, optimizer and scheduler state",
        22: "loading all three and going on",
    },
    "03-momentum": {
        24: "p = mv, and why the name is a misnomer",
        25: "contours with and without momentum",
        26: "the averaged direction of the last few updates",
        27: "the ball over local minima and saddles",
        28: "Qian's formula, momentum rate from .9 to .999",
        29: "the weight update",
        30: "Distill's figure: momentum against step size",
        31: "torch.optim.SGD's signature",
        32: "dampening",
        33: "where the learning rate stands: PyTorch against the original",
    },
    "04-nesterov": {
        34: "the formulas before and after; O(1/k²)",
        35: "Sutskever's figure 1",
        36: "jump, then correct",
    },
    "05-rmsprop": {
        37: "decrease on a flip, increase on consistency",
        38: "local gains; why additive up and multiplicative down",
        39: "RMSProp's provenance: Hinton, Rprop; AdaDelta",
        40: "the formulas, the range of β, ε",
    },
    "06-adam": {
        41: "momentum plus RMSProp",
        42: "Algorithm 1",
        43: "bias correction",
        44: "torch.optim.Adam's signature, default betas, amsgrad",
        45: "several optimizers racing on one surface",
        46: "swapping optimizers in PyTorch",
        47: "saving the optimizer's state",
    },
    "07-swats": {
        48: "the abstract's claims",
        49: "training loss against generalization: both papers' figures",
        50: "the reading: Ruder's overview",
    },
}


def covered(assignment: str) -> set[int]:
    folder = SOLUTIONS / assignment
    script = folder / f"{assignment.split('-', 1)[1]}.py"
    cells = jupytext.read(script).cells
    return {item for cell in cells for item in cell.metadata.get("covers", [])}


def test_the_list_is_whole():
    assert sorted(item for items in LECTURE.values() for item in items) == list(range(1, 51))


@pytest.mark.parametrize("assignment", LECTURE)
def test_every_item_of_the_lecture_is_taught(assignment):
    missing = set(LECTURE[assignment]) - covered(assignment)
    assert not missing, {item: LECTURE[assignment][item] for item in missing}


@pytest.mark.parametrize("assignment", LECTURE)
def test_a_notebook_claims_only_items_of_its_own(assignment):
    assert covered(assignment) <= set(LECTURE[assignment])
