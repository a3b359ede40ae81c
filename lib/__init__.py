"""The reference library of Descent: the optimizers of one lecture, and what teaching them needs."""

__version__ = "0.1.0"
