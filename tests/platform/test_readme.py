"""Every command of the README and of docs/ can be given as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import mlflow.cli
import pytest
import yaml
from click.testing import CliRunner

from shashlik.__main__ import main
from shashlik.cli import mlproject
from shashlik.task import catalog
from shashlik.task.settings import parse, resolve

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "docker").glob("*.md"))]
BLOCK = re.compile(r"^(?:<!-- commands?: (?P<mark>[^>]+) -->\n)?```bash\n(?P<text>.*?)^```$", re.M | re.S)
ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]


def commands() -> list[list[str]]:
    """The commands of all marked blocks, each as its words; what stands around ``&&`` is separate."""
    found = []
    for block in BLOCK.finditer(README):
        for line in block["text"].splitlines():
            found += [shlex.split(part) for part in line.split("&&")]
    return found


def test_every_block_says_what_it_is_for() -> None:
    blocks = list(BLOCK.finditer(README))
    marks = [block["mark"] for block in blocks]
    assert None not in marks
    assert marks[:2] == ["main", "test"], "the main job first, then the tests, one line each"
    assert all(block["text"].count("\n") == 1 for block in blocks[:2])
    assert README.count("```") == 2 * (len(blocks) + README.count("```text"))


@pytest.mark.parametrize("block", [block["text"] for block in BLOCK.finditer(README)])
def test_the_shell_can_read_it(block: str) -> None:
    subprocess.run(["bash", "-n"], input=block, text=True, check=True)


def test_first_command_sets_up_and_runs() -> None:
    first = next(BLOCK.finditer(README))["text"].split(" && ")
    assert [part.split()[0] for part in first] == ["python3.11", ".", "pip", "shashlik", "mlflow"]
    assert first[-1].strip() == "mlflow run . -e ecal_stage4"


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_command_exists(words: list[str]) -> None:
    match words:
        case ["mlflow", "run", ".", "-e", task, *options]:
            assert task in ENTRY_POINTS
            context = mlflow.cli.run.make_context("run", [".", "-e", task, *options])
            given = dict(item.split("=", 1) for item in context.params["param_list"])
            assert set(given) <= set(ENTRY_POINTS[task]["parameters"])
            resolve(catalog.load(task).settings, catalog.load(task).presets, given)
        case ["mlflow", command, *options]:
            with click.Context(mlflow.cli.cli) as context:
                known = mlflow.cli.cli.get_command(context, command)
            assert known is not None
            known.make_context(command, options)
        case ["python", "-m", "shashlik", *rest] | ["shashlik", *rest]:
            context = main.make_context("shashlik", list(rest), resilient_parsing=True)
            name, command, arguments = main.resolve_command(context, rest)
            with command.make_context(name, arguments, parent=context) as inner:
                if name == "run":
                    task = catalog.load(inner.params["task"])
                    resolve(task.settings, task.presets, parse(inner.params["parameters"]))
        case ["pip", "install", "-e", target]:
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            assert target == "." or target.removeprefix(".[").removesuffix("]") in extras
        case ["python3.11", "-m", "venv", ".venv"] | [".", ".venv/bin/activate"] | ["pytest", *_]:
            pass
        case _:
            raise AssertionError(f"{words}: no test knows this command; teach this one")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_exist(page: Path) -> None:
    for command in re.findall(r"`shashlik ([a-z]+)[^`]*`", page.read_text().replace("\n", " ")):
        assert command in main.commands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text().replace("\n", " ")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", ["main", *main.commands])
def test_help_of_every_command(name: str) -> None:
    words = ["--help"] if name == "main" else [name, "--help"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0
    assert "Usage:" in done.output
    command = main if name == "main" else main.commands[name]
    assert command.help
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, (
            f"{name} {parameter.opts} needs help"
        )


def test_console_script_and_module_are_one_door() -> None:
    """The list of tasks, told by either, without waking TensorFlow or mlflow needlessly long."""
    script = Path(sys.executable).with_name("shashlik")
    told = [
        subprocess.run([*door, "tasks"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for door in ([script], [sys.executable, "-m", "shashlik"])
    ]
    assert told[0] == told[1]
    assert all(name in told[0] for name in catalog.names())


def test_mlproject_is_up_to_date() -> None:
    assert (ROOT / "MLproject").read_text() == mlproject.render(), "run 'shashlik mlproject'"


@pytest.mark.parametrize("name", catalog.names())
def test_entry_point_hands_over_every_setting(name: str) -> None:
    """The command of the entry point, filled as mlflow fills it, is understood by the door."""
    from mlflow.projects.utils import load_project

    entry = load_project(str(ROOT)).get_entry_point(name)
    words = shlex.split(entry.compute_command({"seed": "7", "data": "it's a file.root"}, storage_dir=None))
    assert words[:5] == ["python", "-m", "shashlik", "run", name]
    assert parse(words[5:]) == {"seed": "7", "data": "it's a file.root"}
    task = catalog.load(name)
    assert resolve(task.settings, task.presets, parse(words[5:])).seed == 7
    assert all(parameter.type == "string" for parameter in entry.parameters.values())
