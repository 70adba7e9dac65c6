"""Resolve parameters of a run: command-line strings and presets become a checked frozen dataclass."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shashlik.exceptions import BadInput

__all__ = ["RunSettings", "changed", "describe", "parse", "resolve", "setting"]


def setting(
    default: Any,
    meaning: str,
    *,
    allowed: tuple[Any, ...] | None = None,
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """Declare a dataclass field with help text and limits."""
    return field(
        default=default, metadata={"help": meaning, "allowed": allowed, "least": least, "most": most}
    )


@dataclass(frozen=True)
class RunSettings:
    """Parameters that every task has."""

    preset: str = setting("default", "named set of settings to start from")
    data: str = setting("", "ROOT files instead of the simulation: paths, globs or URLs, separated by commas")
    columns: str = setting(
        "", "what fills columns that the files have under other names: e:E1+E2,px:px1,mass:0.10566"
    )
    train_events: int = setting(20_000, "events that fits are tuned on", least=200)
    test_events: int = setting(20_000, "events on which all estimators are judged", least=200)
    seed: int = setting(1, "governs everything random in the run", least=0, most=2**31 - 1)
    resume: str = setting("", "id of an interrupted run whose checkpoints this run continues from")
    figures: bool = setting(True, "draw the figures; a small run is done sooner without")


def parse(tokens: Sequence[str]) -> dict[str, str]:
    """Parse ``["--seed", "3", "--data=a.root"]`` into a mapping; an empty value counts as not given.

    Raises
    ------
    BadInput
        For anything that is not ``--name value`` or ``--name=value``.

    Examples
    --------
    >>> parse(["--seed", "3", "--data=a.root", "--preset="])
    {'seed': '3', 'data': 'a.root'}
    """
    values: dict[str, str] = {}
    rest = list(tokens)
    while rest:
        token = rest.pop(0)
        if not token.startswith("--") or len(token) == 2:
            raise BadInput(f"cannot read {token!r}: parameters are given as --name value")
        name, equals, text = token[2:].partition("=")
        if not equals:
            if not rest:
                raise BadInput(f"parameter --{name} has no value: give it as --{name} value")
            text = rest.pop(0)
        if text:
            values[name.replace("-", "_")] = text
    return values


def _convert(name: str, kind: type, text: str) -> Any:
    """Convert one value from its string."""
    if kind is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in words:
            raise BadInput(f"parameter {name}={text!r} is not true or false")
        return words[text.lower()]
    try:
        value = kind(float(text)) if kind is int and float(text).is_integer() else kind(text)
    except (ValueError, OverflowError):
        expected = {int: "a whole number", float: "a number"}.get(kind, f"of type {kind.__name__}")
        raise BadInput(f"parameter {name}={text!r} is not {expected}") from None
    return value


def _check(name: str, meta: Mapping[str, Any], value: Any) -> None:
    allowed, least, most = meta.get("allowed"), meta.get("least"), meta.get("most")
    if allowed is not None and value not in allowed:
        raise BadInput(
            f"parameter {name}={value!r} is not allowed; choose from {', '.join(map(str, allowed))}"
        )
    if (least is not None and not value >= least) or (most is not None and not value <= most):
        bounds = f"at least {least}" if most is None else f"between {least} and {most}"
        raise BadInput(f"parameter {name}={value!r} is out of range; it must be {bounds}")


def resolve(kind: type, presets: Mapping[str, Mapping[str, Any]], given: Mapping[str, str]) -> Any:
    """Resolve the settings of a run: field defaults, then the preset's values, then the user's.

    Parameters
    ----------
    kind : type
        The task's settings dataclass, a `RunSettings`, or another dataclass with `setting` fields.
    presets : mapping
        The task's presets; empty where there is no setting ``preset``.
    given : mapping of str to str
        Parameters from the user, see `parse`.

    Raises
    ------
    BadInput
        For unknown names, values of the wrong type, values out of range.
    """
    fields = {parameter.name: parameter for parameter in dataclasses.fields(kind)}
    types = typing.get_type_hints(kind)
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise BadInput(f"unknown parameter {unknown[0]!r}; this task knows: {', '.join(fields)}")
    values: dict[str, Any] = {}
    if presets:
        preset = given.get("preset", "default")
        if preset not in presets:
            raise BadInput(f"no preset {preset!r}; choose from {', '.join(presets)}")
        values = {**presets[preset], "preset": preset}
    for name, text in given.items():
        values[name] = _convert(name, types[name], text)
    return changed(kind(), values)


def changed(settings: Any, values: Mapping[str, Any]) -> Any:
    """Replace values of some settings, and check them.

    Raises
    ------
    BadInput
        For values out of range.
    """
    settings = dataclasses.replace(settings, **values)
    for parameter in dataclasses.fields(settings):
        _check(parameter.name, parameter.metadata, getattr(settings, parameter.name))
    return settings


def describe(kind: type, presets: Mapping[str, Mapping[str, Any]]) -> str:
    """Describe parameters with meaning, default and limits, and the values of each preset."""
    lines = ["parameters:"]
    for parameter in dataclasses.fields(kind):
        limits = ""
        if parameter.metadata["allowed"] is not None:
            limits = f"; one of {', '.join(map(str, parameter.metadata['allowed']))}"
        elif parameter.metadata["least"] is not None:
            limits = f"; at least {parameter.metadata['least']}"
        if parameter.metadata["most"] is not None:
            limits += f", at most {parameter.metadata['most']}"
        lines.append(
            f"  {parameter.name:16} {parameter.metadata['help']} (default {parameter.default!r}{limits})"
        )
    if presets:
        lines.append("presets:")
    for name, values in presets.items():
        lines.append(
            f"  {name:16} {', '.join(f'{key}={value}' for key, value in values.items()) or 'the defaults'}"
        )
    return "\n".join(lines)
