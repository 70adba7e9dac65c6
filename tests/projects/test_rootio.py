"""ROOT files in and out: nothing changes on the way, and what is broken is named."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from shashlik.exceptions import BadInput
from shashlik.task import rootio
from shashlik.task.sample import Column, Sample, Schema

SCHEMA = Schema(
    "events",
    (
        Column("event", "", "int", "number of the event"),
        Column("cell_x", "cm", "float", "cell centre", jagged=True),
        Column("cell_e", "GeV", "float", "cell energy", jagged=True),
        Column("weight", "", "float", "weight", optional=True),
    ),
)


def make(events: int = 50, seed: int = 1) -> Sample:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, events)
    jagged = [ak.unflatten(rng.normal(size=counts.sum()).astype("f4"), counts) for _ in range(2)]
    return rootio.sample(
        SCHEMA,
        {"event": np.arange(events), "cell_x": jagged[0], "cell_e": jagged[1]},
        f"made with seed {seed}",
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "good.root"
    rootio.write(make(), path)
    return path


def test_a_round_trip_changes_nothing(file: Path) -> None:
    assert rootio.read(str(file), SCHEMA).sha256 == make().sha256


def test_chunks_of_any_size_hold_the_same_events(file: Path) -> None:
    parts = list(rootio.chunks(str(file), SCHEMA, events=7))
    assert [len(part) for part in parts] == [7] * 7 + [1]
    assert Sample.concatenate(parts).sha256 == make().sha256


def test_several_files_are_read_in_their_order(tmp_path: Path) -> None:
    for seed in (1, 2):
        rootio.write(make(seed=seed), tmp_path / f"part{seed}.root")
    both = Sample.concatenate([make(seed=1), make(seed=2)]).sha256
    assert rootio.read(str(tmp_path / "part*.root"), SCHEMA).sha256 == both
    assert rootio.read(f"{tmp_path}/part1.root, {tmp_path}/part2.root", SCHEMA).sha256 == both
    assert rootio.read(f"{tmp_path}/part2.root,{tmp_path}/part1.root", SCHEMA).sha256 != both


def test_urls_are_opened_through_fsspec(file: Path) -> None:
    assert rootio.read(f"file://{file}", SCHEMA).sha256 == make().sha256


def test_the_hash_sees_the_last_value_of_the_last_event() -> None:
    events = make(20_001)
    values = ak.to_numpy(ak.flatten(events["cell_e"])).copy()
    values[-1] += 1e-3
    changed = {**events.columns, "cell_e": ak.unflatten(values, ak.num(events["cell_e"]))}
    assert Sample(SCHEMA, changed).sha256 != events.sha256


def test_the_hash_sees_where_events_end() -> None:
    def with_counts(counts: list[int]) -> str:
        cells = ak.unflatten(np.arange(4.0), counts)
        return rootio.sample(SCHEMA, {"event": np.arange(2), "cell_x": cells, "cell_e": cells}, "").sha256

    assert with_counts([1, 3]) != with_counts([2, 2])


def test_an_interrupted_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(KeyboardInterrupt):
        rootio.write(make(), tmp_path / "half.root")
    assert list(tmp_path.iterdir()) == []


def spoiled(name: str, tmp_path: Path) -> tuple[str, str]:
    """A bad file, and what its message must say."""
    good = tmp_path / "good.root"
    rootio.write(make(5000), good)
    path = tmp_path / f"{name}.root"
    if name == "missing":
        return str(path), "no file"
    if name == "glob":
        return str(tmp_path / "x*.root"), "no file matches"
    if name == "folder":
        return str(tmp_path), "is a folder"
    if name == "empty":
        path.touch()
        return str(path), "is empty"
    if name == "text":
        path.write_text("hello\n" * 1000)
        return str(path), "cannot read"
    if name == "truncated":
        path.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
        return str(path), "cannot read"
    with uproot.recreate(path) as out:
        if name == "tree":
            out["other"] = {"event": np.arange(3)}
            return str(path), "no tree 'events'"
        if name == "branch":
            out["events"] = {"event": np.arange(3)}
            return str(path), "lacks the branch 'cell_x'"
        cells = ak.unflatten(np.ones(6), [1, 2, 3])
        content = {"event": np.arange(3), "cell": ak.zip({"x": cells, "e": cells})}
        if name == "nan":
            content["cell"] = ak.zip(
                {"x": cells, "e": ak.unflatten(np.array([1, 1, np.nan, 1, 1, 1]), [1, 2, 3])}
            )
            expected = "'cell_e' is not finite in event 1"
        elif name == "type":
            content["event"] = np.arange(3) + 0.5
            expected = "'event' holds"
        elif name == "flat":
            content = {"event": np.arange(3), "cell_x": np.ones(3), "cell_e": np.ones(3)}
            expected = "holds one value an event; a list is needed"
        elif name == "no events":
            content = {key: value[:0] for key, value in content.items()}
            expected = "holds 0 events"
        else:
            raise AssertionError(name)
        out.mktree(
            "events", {k: v.type.content if isinstance(v, ak.Array) else v.dtype for k, v in content.items()}
        )
        out["events"].extend(content)
    return str(path), expected


@pytest.mark.parametrize(
    "name",
    [
        "missing",
        "glob",
        "folder",
        "empty",
        "text",
        "truncated",
        "tree",
        "branch",
        "nan",
        "type",
        "flat",
        "no events",
    ],
)
def test_a_bad_file_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    spec, expected = spoiled(name, tmp_path)
    with pytest.raises(BadInput, match=expected) as caught:
        rootio.read(spec, SCHEMA)
    assert "\n" not in str(caught.value)


def test_columns_of_one_object_have_one_length() -> None:
    one, two = ak.unflatten(np.ones(3), [1, 2]), ak.unflatten(np.ones(3), [2, 1])
    with pytest.raises(BadInput, match="'cell_x' and 'cell_e' differ in length in event 0"):
        rootio.sample(SCHEMA, {"event": np.arange(2), "cell_x": one, "cell_e": two}, "made")
