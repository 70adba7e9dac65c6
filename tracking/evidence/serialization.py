"""Frozen dataclasses to plain JSON values and back, exactly."""

from __future__ import annotations

import functools
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

__all__ = ["decode", "encode"]

#: Types of the fields of a class; read once, for evidence has thousands of rows of the same few classes.
_hints = functools.cache(typing.get_type_hints)


def encode(value: Any, wanted: Any = None) -> Any:
    """Dataclasses as objects, tuples as lists; floats that JSON does not know as ``"nan"``, ``"inf"``.

    A field declared as float is written as one even where it holds an integer, so that text and value
    determine each other.
    """
    arguments = typing.get_args(wanted)
    if is_dataclass(value) and not isinstance(value, type):
        hints = _hints(type(value))
        return {item.name: encode(getattr(value, item.name), hints[item.name]) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(item, arguments[1]) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [encode(item, arguments[0]) for item in value]
    if value is None or isinstance(value, str):
        return value
    if float in (wanted, *arguments):
        return float(value) if math.isfinite(value) else str(float(value))
    return int(value)


def decode(wanted: Any, plain: Any) -> Any:
    """A value of the wanted type from what `encode` made of it.

    Raises
    ------
    ValueError
        If a field is missing, or is there but not known.
    """
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if is_dataclass(wanted) and isinstance(wanted, type):
        hints = _hints(wanted)
        odd = set(hints) ^ set(plain)
        if odd:
            raise ValueError(f"{wanted.__name__} does not match its text in: {', '.join(sorted(odd))}")
        return wanted(**{name: decode(hints[name], plain[name]) for name in hints})
    if origin is tuple:
        return tuple(decode(arguments[0], item) for item in plain)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: decode(arguments[1], item) for key, item in plain.items()}
    if origin in (types.UnionType, typing.Union):
        return None if plain is None else decode(next(a for a in arguments if a is not type(None)), plain)
    return float(plain) if wanted is float else plain
