"""Every graded exercise of the course, by name; one module a notebook declares them."""

import importlib
import pkgutil

from lib.check.exercise import Exercise

EXERCISES: dict[str, Exercise] = {}

for _module in pkgutil.iter_modules(__path__):
    for _value in vars(importlib.import_module(f"{__name__}.{_module.name}")).values():
        if isinstance(_value, Exercise):
            EXERCISES[_value.name] = _value
