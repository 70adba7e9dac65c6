"""Exact conversion of frozen dataclasses to plain JSON values and back."""

from __future__ import annotations

import functools
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

__all__ = ["decode", "encode"]

#: Types of the fields of a class, cached because evidence has thousands of rows of the same few classes.
_hints = functools.cache(typing.get_type_hints)


def encode(value: Any, wanted: Any = None) -> Any:
    """Encode dataclasses as objects, tuples as lists, and floats that JSON lacks as ``"nan"``, ``"inf"``.

    A field declared as float is written as a float even if it holds an integer, so that text and value
    determine each other.
    """
    arguments = typing.get_args(wanted)
    if is_dataclass(value) and not isinstance(value, type):
        hints = _hints(type(value))
        return {entry.name: encode(getattr(value, entry.name), hints[entry.name]) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(entry, arguments[1]) for key, entry in value.items()}
    if isinstance(value, (tuple, list)):
        return [encode(entry, arguments[0]) for entry in value]
    if value is None or isinstance(value, str):
        return value
    if float in (wanted, *arguments):
        return float(value) if math.isfinite(value) else str(float(value))
    return int(value)


def decode(wanted: Any, plain: Any) -> Any:
    """Restore a value of the given type from the output of `encode`.

    Raises
    ------
    ValueError
        If a field is missing or unknown.
    """
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if is_dataclass(wanted) and isinstance(wanted, type):
        hints = _hints(wanted)
        mismatched = set(hints) ^ set(plain)
        if mismatched:
            raise ValueError(f"{wanted.__name__} does not match its text in: {', '.join(sorted(mismatched))}")
        return wanted(**{name: decode(hints[name], plain[name]) for name in hints})
    if origin is tuple:
        return tuple(decode(arguments[0], entry) for entry in plain)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: decode(arguments[1], entry) for key, entry in plain.items()}
    if origin in (types.UnionType, typing.Union):
        return None if plain is None else decode(next(a for a in arguments if a is not type(None)), plain)
    return float(plain) if wanted is float else plain
