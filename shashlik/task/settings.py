"""Parameters of a run: from the strings of a command line, over presets, to a checked frozen dataclass."""

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
    """A dataclass field with what a user must know of it."""
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
    """``["--seed", "3", "--data=a.root"]`` as a mapping; an empty value means not given.

    Raises
    ------
    BadInput
        For anything that is not ``--name value`` or ``--name=value``.
    """
    given: dict[str, str] = {}
    rest = list(tokens)
    while rest:
        token = rest.pop(0)
        if not token.startswith("--") or len(token) == 2:
            raise BadInput(f"cannot read {token!r}: parameters are given as --name value")
        name, equals, value = token[2:].partition("=")
        if not equals:
            if not rest:
                raise BadInput(f"parameter --{name} has no value: give it as --{name} value")
            value = rest.pop(0)
        if value:
            given[name.replace("-", "_")] = value
    return given


def _convert(name: str, kind: type, text: str) -> Any:
    """One value from its string."""
    if kind is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in words:
            raise BadInput(f"parameter {name}={text!r} is not true or false")
        return words[text.lower()]
    try:
        value = kind(float(text)) if kind is int and float(text).is_integer() else kind(text)
    except (ValueError, OverflowError):
        wanted = {int: "a whole number", float: "a number"}.get(kind, f"of type {kind.__name__}")
        raise BadInput(f"parameter {name}={text!r} is not {wanted}") from None
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
    """Settings of a run: the field defaults, then the preset's values, then what was given.

    Parameters
    ----------
    kind : type
        The task's settings dataclass, a `RunSettings`, or another one whose fields are `setting`.
    presets : mapping
        The task's presets; none where there is no setting ``preset``.
    given : mapping of str to str
        What the user gave, see `parse`.

    Raises
    ------
    BadInput
        For unknown names, values of the wrong type, values out of range.
    """
    fields = {item.name: item for item in dataclasses.fields(kind)}
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
    """The same settings with other values of some, checked.

    Raises
    ------
    BadInput
        For values out of range.
    """
    settings = dataclasses.replace(settings, **values)
    for item in dataclasses.fields(settings):
        _check(item.name, item.metadata, getattr(settings, item.name))
    return settings


def describe(kind: type, presets: Mapping[str, Mapping[str, Any]]) -> str:
    """Parameters with meaning, default and limits, and what each preset sets; for people."""
    lines = ["parameters:"]
    for item in dataclasses.fields(kind):
        limits = ""
        if item.metadata["allowed"] is not None:
            limits = f"; one of {', '.join(map(str, item.metadata['allowed']))}"
        elif item.metadata["least"] is not None:
            limits = f"; at least {item.metadata['least']}"
        if item.metadata["most"] is not None:
            limits += f", at most {item.metadata['most']}"
        lines.append(f"  {item.name:16} {item.metadata['help']} (default {item.default!r}{limits})")
    if presets:
        lines.append("presets:")
    for name, values in presets.items():
        lines.append(
            f"  {name:16} {', '.join(f'{key}={value}' for key, value in values.items()) or 'the defaults'}"
        )
    return "\n".join(lines)
