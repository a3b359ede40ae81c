"""The mistakes that teachers of optimizers see most: each has its name in some exercise.

That each of them fails, in public and in hidden cases, and is named, is shown by test_exercises.py.
"""

import pytest

from lib.exercises import EXERCISES

MISTAKES = {
    "momentum: learning rate outside where inside is asked": "momentum_step.lr_outside",
    "momentum: learning rate inside where outside is asked": "sgd_step.lr_inside",
    "momentum: α and 1 − α swapped": "momentum_step.alpha_swapped",
    "momentum: plus for minus": "momentum_step.plus_for_minus",
    "momentum: velocity not returned updated": "momentum_step.old_velocity_returned",
    "momentum: dampening at step 1": "sgd_step.first_dampened",
    "Nesterov: gradient at w": "nesterov_step.gradient_at_w",
    "Nesterov: gradient at w + αΔw": "nesterov_step.wrong_side",
    "Nesterov: gradient asked for twice": "nesterov_step.asked_twice",
    "schedules: exponent divided to an integer": "exponential.integer_exponent",
    "schedules: drop one epoch late": "halving.drops_late",
    "schedules: drop one epoch early": "halving.drops_early",
    "schedules: base 10 for e": "exponential.base_ten",
    "schedules: decay applied to the decayed rate": "adjust_learning_rate.compounding",
    "gains: multiplied up": "update_gain.multiplied_up",
    "gains: sign test reversed": "update_gain.reversed_test",
    "gains: product of zero treated as a flip": "update_gain.zero_is_a_flip",
    "RMSProp: ε inside the root": "rmsprop_step.eps_inside",
    "RMSProp: no root": "rmsprop_step.no_root",
    "RMSProp: weights swapped": "rmsprop_step.weights_swapped",
    "RMSProp: root taken before squaring the sum": "rmsprop_step.square_of_the_sum",
    "Adam: no bias correction": "adam_step.no_correction",
    "Adam: only the first moment corrected": "adam_step.only_m_corrected",
    "Adam: only the second moment corrected": "adam_step.only_v_corrected",
    "Adam: t from 0": "adam_step.t_from_zero",
    "Adam: ε inside the root": "adam_step.eps_inside",
    "Adam: ε = 0": "adam_step.eps_missing",
    "Adam: ε̂ not rescaled": "adam_efficient_step.eps_not_rescaled",
    "Adam: betas swapped": "adam_step.betas_swapped",
    "Adam: v from g, not g²": "adam_step.square_dropped",
    "Adam: learning rate inside m": "adam_step.lr_inside",
    "Adam: no root": "adam_step.no_root",
    "AMSGrad: maximum of the corrected moment": "amsgrad_step.max_of_corrected_v",
    "AMSGrad: maximum not carried": "amsgrad_step.max_not_carried",
    "SWATS: γ per tensor": "swats_step.per_tensor",
    "SWATS: λ not corrected": "swats_step.lam_uncorrected",
    "SWATS: relative tolerance": "swats_step.tolerance_relative",
    "SWATS: switch allowed at k = 1": "swats_step.switch_at_one",
    "SWATS: 1 − β1 missing": "swats_step.no_one_minus_beta1",
    "SWATS: buffer rescaled in place": "swats_step.buffer_rescaled",
    "SWATS: Λ from γ instead of λ": "swats_step.rate_is_gamma",
    "minibatch: last batch dropped": "minibatches.last_batch_dropped",
    "minibatch: drawn with replacement": "minibatches.with_replacement",
    "minibatch: sum for mean": "minibatch_gradient.summed",
    "checkpoint: optimizer state not saved": "save_checkpoint.save_without_optimizer",
    "checkpoint: scheduler state not saved": "save_checkpoint.save_without_scheduler",
    "checkpoint: optimizer state not loaded": "load_checkpoint.load_without_optimizer",
    "checkpoint: scheduler state not loaded": "load_checkpoint.load_without_scheduler",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_common_mistake_is_known(mistake):
    exercise, name = MISTAKES[mistake].split(".")
    assert name in [known.name for known in EXERCISES[exercise].misconceptions]
