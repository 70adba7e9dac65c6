"""The file ``MLproject``, written from the tasks of a folder and the commands of the registry."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from shashlik.ablation.settings import StudySettings
from shashlik.cli import registry, server, store
from shashlik.exceptions import BadInput
from shashlik.search.settings import SearchSettings
from shashlik.task import catalog

__all__ = ["render"]

_HEAD = """\
# Written by `shashlik mlproject` from the tasks in this folder and the commands of shashlik; do not edit.
# Every parameter is a string here: the program itself checks types and ranges, where it can still say in one
# line what is wrong and mark the run FAILED. An empty value means: the preset's, else the default stated.
name: shashlik
{environment}
entry_points:
"""
#: What entry points call, and what they call in a container, see the command `unquoted`.
_CALL, _QUOTED = "command: python -m shashlik ", "command: python -m shashlik unquoted "


def _comment(item: dataclasses.Field[Any]) -> str:
    """Meaning, default and limits of one parameter."""
    meta = item.metadata
    text = f"{meta['help']}; default {item.default!r}" if item.default != "" else meta["help"]
    if meta.get("allowed") is not None:
        text += f", one of {', '.join(map(str, meta['allowed']))}"
    if meta.get("least") is not None:
        text += f", at least {meta['least']}"
    if meta.get("most") is not None:
        text += f", at most {meta['most']}"
    return text


def _entry(command: click.Command) -> str:
    """A command of the registry as an entry point; switches and free parameters are left to the console."""
    words, lines = [], []
    for item in command.params:
        if isinstance(item, click.Option) and not item.is_flag:
            words.append(f"{item.opts[0]} {{{item.name}}}")
            # Of what a command line may leave out, an empty text means that it is left out.
            lines += [f"      # {item.help}\n", f'      {item.name}: {{type: string, default: ""}}\n']
        elif isinstance(item, click.Argument) and item.type is not click.UNPROCESSED:
            words.append(f"{{{item.name}}}")
            lines.append(f"      {item.name}: {{type: string}}\n")
    head = f"  {command.name}:  # {command.get_short_help_str(200)}\n"
    if lines:
        head += "    parameters:\n"
    return f"{head}{''.join(lines)}    command: python -m shashlik {command.name} {' '.join(words)}\n"


def _names(folder: Path) -> list[str]:
    """Tasks that are below a folder; others that are installed run from theirs."""
    home = folder.resolve()
    found = sorted(place.name for place in catalog.places() if place.file.resolve().is_relative_to(home))
    if not found:
        raise BadInput(
            f"no installed task is below {home}: run this in the folder of a package with an entry point "
            f"{catalog.GROUP}, after 'pip install -e .'"
        )
    return found


def render(image: str = "", folder: Path | None = None) -> str:
    """Text of ``MLproject``: one entry point a task with a parameter a setting, and one a command.

    Parameters
    ----------
    image : str
        Container image in which all installed tasks run in Kubernetes; by default they run here.
    folder : pathlib.Path, optional
        Whose tasks run here; by default those below the working directory.

    Raises
    ------
    BadInput
        If no task is there.
    """
    environment = f"docker_env:\n  image: {json.dumps(image)}" if image else "python_env: python_env.yaml"
    names = catalog.names() if image else _names(folder or Path.cwd())
    tasks = [catalog.load(name) for name in names]
    lines = [_HEAD.format(environment=environment)]
    lines += [_fields(task.name, task.title, task.settings, f"run {task.name}") for task in tasks]
    title = "Search hyper-parameters; beside these it takes every parameter of the task"
    lines.append(_fields("tune", title, SearchSettings, "tune {task}", "      task: {type: string}\n"))
    title = "Compare variants of a network; beside these it takes every parameter of the task"
    lines.append(_fields("study", title, StudySettings, "study {task}", "      task: {type: string}\n"))
    lines += [_entry(command) for command in (*registry.COMMANDS, *server.COMMANDS, *store.COMMANDS)]
    text = "".join(lines)
    return text.replace(_CALL, _QUOTED) if image else text


def _fields(name: str, title: str, settings: type, command: str, more: str = "") -> str:
    """An entry point with a parameter for each field of a settings class."""
    fields = dataclasses.fields(settings)
    flags = " ".join(f"--{item.name} {{{item.name}}}" for item in fields)
    lines = [f"  {name}:  # {title}\n    parameters:\n{more}"]
    for item in fields:
        lines.append(f"      # {_comment(item)}\n")
        # A default other than the empty string would overrule the presets.
        lines.append(f'      {item.name}: {{type: string, default: ""}}\n')
    lines.append(f"    command: python -m shashlik {command} {flags}\n")
    return "".join(lines)
