"""Generate the file ``MLproject`` from the tasks of a folder and the commands of the registry."""

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
#: Commands of entry points, and their form in a container, see the command `unquoted`.
_CALL, _QUOTED = "command: python -m shashlik ", "command: python -m shashlik unquoted "


def _comment(parameter: dataclasses.Field[Any]) -> str:
    """Describe one parameter by meaning, default and limits."""
    meta = parameter.metadata
    text = f"{meta['help']}; default {parameter.default!r}" if parameter.default != "" else meta["help"]
    if meta.get("allowed") is not None:
        text += f", one of {', '.join(map(str, meta['allowed']))}"
    if meta.get("least") is not None:
        text += f", at least {meta['least']}"
    if meta.get("most") is not None:
        text += f", at most {meta['most']}"
    return text


def _entry(command: click.Command) -> str:
    """Write a command of the registry as an entry point, without switches and free parameters."""
    words, lines = [], []
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_flag:
            words.append(f"{parameter.opts[0]} {{{parameter.name}}}")
            # An empty text means that the option is left out.
            lines += [
                f"      # {parameter.help}\n",
                f'      {parameter.name}: {{type: string, default: ""}}\n',
            ]
        elif isinstance(parameter, click.Argument) and parameter.type is not click.UNPROCESSED:
            words.append(f"{{{parameter.name}}}")
            lines.append(f"      {parameter.name}: {{type: string}}\n")
    head = f"  {command.name}:  # {command.get_short_help_str(200)}\n"
    if lines:
        head += "    parameters:\n"
    return f"{head}{''.join(lines)}    command: python -m shashlik {command.name} {' '.join(words)}\n"


def _names(folder: Path) -> list[str]:
    """List the tasks below a folder; other installed tasks run from their own folders."""
    home = folder.resolve()
    tasks = sorted(place.name for place in catalog.places() if place.file.resolve().is_relative_to(home))
    if not tasks:
        raise BadInput(
            f"no installed task is below {home}: run this in the folder of a package with an entry point "
            f"{catalog.GROUP}, after 'pip install -e .'"
        )
    return tasks


def render(image: str = "", folder: Path | None = None) -> str:
    """Generate ``MLproject``: one entry point per task with its settings as parameters, one per command.

    Parameters
    ----------
    image : str
        Container image for all installed tasks in Kubernetes; by default tasks run locally.
    folder : pathlib.Path, optional
        Folder of the tasks that run locally; by default the working directory.

    Raises
    ------
    BadInput
        If the folder has no task.
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
    """Write an entry point with a parameter for each field of a settings class."""
    fields = dataclasses.fields(settings)
    flags = " ".join(f"--{parameter.name} {{{parameter.name}}}" for parameter in fields)
    lines = [f"  {name}:  # {title}\n    parameters:\n{more}"]
    for parameter in fields:
        lines.append(f"      # {_comment(parameter)}\n")
        # A default other than the empty string would overrule the presets.
        lines.append(f'      {parameter.name}: {{type: string, default: ""}}\n')
    lines.append(f"    command: python -m shashlik {command} {flags}\n")
    return "".join(lines)
