"""Export and import by their commands: what a bundle holds, what it repeats elsewhere, what is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from consoles import Shell, at, champion, train
from mlflow.tracking import MlflowClient

from registry.models import bundle
from shashlik.export import golden_vectors, onnx_graph
from tracking.runs.reader import recall

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*MLflow doesn't validate the data:UserWarning",
    "ignore::ResourceWarning",
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
)

#: Where the C++ header of ONNX Runtime may be.
ROOTS = [Path(os.environ.get("ONNXRUNTIME_ROOT", "/usr")), Path("/usr"), Path("/usr/local")]


@pytest.fixture(scope="module")
def origin(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store with version 1, a promoted network, and its bundle."""
    folder = tmp_path_factory.mktemp("origin")
    shutil.copy(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as monkeypatch:
        shell = at(folder, monkeypatch)
        train(shell, "linear")
        assert "PROMOTE: version 1" in shell("promote", "toy").output
        told = shell("export", "champion", "bundle").output
    assert "t: 100.000% of 4000 frozen events agree" in told
    return folder, folder / "bundle"


@pytest.fixture
def there(origin: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The console where the bundle comes from."""
    return at(origin[0], monkeypatch)


@pytest.fixture
def copied(origin: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(origin[1], tmp_path / "bundle"))


def test_a_bundle_says_what_it_is(there: Shell, origin: tuple[Path, Path]) -> None:
    folder = origin[1]
    manifest, _ = bundle.sealed(folder)
    version = MlflowClient().get_model_version("toy", "1")
    assert (manifest["task"], manifest["version"], manifest["verdict"]["decision"]) == ("toy", 1, "PROMOTE")
    assert manifest["verdict"]["sha256"] == version.tags["verdict.sha256"]
    assert manifest["tags"]["model.sha256"] == version.tags["model.sha256"]
    assert manifest["run"]["settings"]["network"] == "linear"
    assert manifest["network"]["inputs"] == [
        {
            "name": "columns",
            "type": "float32",
            "shape": ["events", 2],
            "unit": "cm, cm",
            "meaning": "a (first measurement), b (second measurement)",
        }
    ]
    assert manifest["network"]["outputs"][0]["unit"] == "cm"
    assert (folder / "card.md").read_text().startswith("**PROMOTE: version 1 of toy**")
    assert json.loads((folder / "verdict" / "verdict.json").read_text())["decision"] == "PROMOTE"
    onnx.checker.check_model(str(folder / "network.onnx"))
    assert "# toy, version 1" in (folder / "README.md").read_text()


def test_golden_vectors_are_the_events_on_their_way(origin: tuple[Path, Path]) -> None:
    found = golden_vectors.read(origin[1] / "golden")
    assert len(found) == 256
    assert found.usable.all()
    a, b = found.columns["a"], found.columns["b"]
    np.testing.assert_allclose(found.inputs["columns"], np.stack([a, b], axis=1), rtol=1e-6)
    np.testing.assert_allclose(found.outputs["t"], (a + b) / 2, rtol=1e-5, atol=1e-5)


def test_jagged_columns_come_back(tmp_path: Path) -> None:
    import awkward as ak

    cells = ak.Array([[1.0, 2.0], [], [3.0]])
    made = golden_vectors.Golden(
        {"cell_e": cells, "n": np.arange(3)},
        {"w": np.zeros((3, 2, 2), np.float32)},
        np.array([True, False, True]),
        {"x": np.array([1, np.nan, 2], dtype=np.float32)},
    )
    golden_vectors.write(made, tmp_path / "golden")
    found = golden_vectors.read(tmp_path / "golden")
    assert ak.to_list(found.columns["cell_e"]) == ak.to_list(cells)
    assert found.usable.tolist() == [True, False, True]
    assert found.inputs["w"].shape == (3, 2, 2)
    np.testing.assert_array_equal(found.outputs["x"], made.outputs["x"])


#: The program of the bundle where nothing of what made the network can be imported.
ALONE = """
import runpy, sys
for name in ("tensorflow", "keras", "mlflow", "awkward", "projects", "registry", "shashlik", "tracking"):
    sys.modules[name] = None
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_python_repeats_it_without_tensorflow(copied: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", ALONE, str(copied / "verify.py")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "network.onnx repeats the golden vectors" in done.stdout
    path = copied / "golden" / "outputs" / "t.npy"
    values = np.load(path)
    values[7] += 0.01
    np.save(path, values)
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, "1 of 256 events differ" in done.stdout) == (1, True)


def test_cpp_repeats_it(copied: Path, tmp_path: Path) -> None:
    """Compiled with the header of an installation, linked with the library of the Python package."""
    headers = [
        root / "include" / part
        for root in ROOTS
        for part in ("", "onnxruntime", "onnxruntime/core/session")
        if (root / "include" / part / "onnxruntime_cxx_api.h").exists()
    ]
    if shutil.which("cmake") is None or shutil.which("g++") is None:
        pytest.skip("cmake and g++ are not installed")
    if not headers:
        pytest.skip(
            "onnxruntime_cxx_api.h is not installed, and no package of PyPI carries it: 'apt-get install "
            "libonnxruntime-dev' (Debian 13), or set ONNXRUNTIME_ROOT"
        )
    root = tmp_path / "onnxruntime"
    (root / "lib").mkdir(parents=True)
    (root / "include").symlink_to(headers[0])
    library = next(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"))
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (root / "lib" / name).symlink_to(library)
    build = tmp_path / "build"
    for words in (
        [
            "cmake",
            "-S",
            copied / "cpp",
            "-B",
            build,
            f"-DONNXRUNTIME_ROOT={root}",
            "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror",
        ],
        ["cmake", "--build", build],
    ):
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([build / "verify", copied], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "network.onnx repeats the golden vectors" in done.stdout
    path = copied / "golden" / "outputs" / "t.npy"
    values = np.load(path)
    values[7] += 0.01
    np.save(path, values)
    done = subprocess.run([build / "verify", copied], capture_output=True, text=True)
    assert (done.returncode, "1 of 256 events differ" in done.stdout) == (1, True)
    path.write_bytes(path.read_bytes()[:200])
    assert subprocess.run([build / "verify", copied], capture_output=True).returncode == 2


def test_a_graph_that_disagrees_is_not_written(
    there: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversion that gets a weight wrong by 2 in 1000."""
    convert = onnx_graph.convert

    def wrong(model, path):
        told = convert(model, path)
        graph = onnx.load(str(path))
        (weights,) = (one for one in graph.graph.initializer if tuple(one.dims) == (2, 1))
        weights.CopyFrom(
            onnx.numpy_helper.from_array(
                onnx.numpy_helper.to_array(weights) * np.float32(1.002), weights.name
            )
        )
        onnx.save(graph, str(path))
        return told

    monkeypatch.setattr(onnx_graph, "convert", wrong)
    told = there("export", "1", str(tmp_path / "out"), code=1).output
    assert "network.onnx gives other values of 't' than the registered model" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "folder", "told"),
    [
        ("baseline-first", "new", "is no network, or was registered before networks could be exported"),
        ("1", ".", "is there already"),
        ("1", "no/where", "does not exist; make it first"),
    ],
)
def test_what_cannot_be_exported(there: Shell, tmp_path: Path, model: str, folder: str, told: str) -> None:
    assert told in there("export", model, str(tmp_path / folder), code=2).output
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_version_is_not_exported(there: Shell, tmp_path: Path) -> None:
    assert "no version '99' of toy" in there("export", "99", str(tmp_path / "new"), code=1).output


@pytest.fixture
def elsewhere(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The console on another, empty store."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    return at(folder, monkeypatch)


def test_it_is_the_same_version_elsewhere(elsewhere: Shell, copied: Path) -> None:
    manifest, sha256 = bundle.sealed(copied)
    told = elsewhere("import", str(copied), "--sha256", sha256).output
    assert "is version 1 of toy, a candidate" in told
    client = MlflowClient()
    made = client.get_model_version("toy", "1")
    for name in ("model.sha256", "evidence.sha256", "data.sha256", "estimator"):
        assert made.tags[name] == manifest["tags"][name]
    assert made.tags["imported.manifest"] == sha256
    assert made.tags["imported.run"] == manifest["run"]["id"]
    assert made.tags["imported.verdict"] == "PROMOTE"
    assert "verdict" not in made.tags, "a verdict counts where it was given"
    assert made.aliases == []
    assert champion() is None
    assert recall(made.run_id).sha256 == manifest["tags"]["evidence.sha256"]
    assert "**PROMOTE: version 1 of toy**" in made.description
    assert f"run_uuid={made.run_id}" in made.description
    run = client.get_run(made.run_id)
    assert run.data.params["cfg.network"] == "linear"
    assert run.data.tags["data.sha256"] == manifest["tags"]["data.sha256"]
    assert run.data.metrics["network/t/sigma"] == pytest.approx(1 / np.sqrt(2), rel=0.1)
    where = f"verdicts/{manifest['verdict']['sha256'][:12]}"
    assert {path.path for path in client.list_artifacts(made.run_id, where)} == {
        f"{where}/{name}" for name in ("card.md", "ratios.png", "verdict.json")
    }
    assert "bundle " + sha256[:12] in elsewhere("history", "toy", "--verify").output
    assert "is version 1 of toy" in elsewhere("import", str(copied)).output, "it is not made twice"
    (shown,) = re.findall(r"0\.\d+ ± 0\.\d+", elsewhere("candidates", "toy").output)
    width, error = map(float, shown.split(" ± "))
    assert width == pytest.approx(run.data.metrics["network/t/sigma"], abs=5e-4)
    assert error == pytest.approx(run.data.metrics["network/t/sigma_err"], abs=5e-4)


def test_an_imported_version_is_judged_and_exported_as_any_other(
    elsewhere: Shell, copied: Path, tmp_path: Path
) -> None:
    elsewhere("import", str(copied))
    assert champion() is None
    assert "PROMOTE: version 1 of toy" in elsewhere("promote", "toy").output
    assert champion() == 1
    assert "0 problems" in elsewhere("doctor", "toy").output
    elsewhere("export", "champion", str(tmp_path / "again"))
    again, first = bundle.sealed(tmp_path / "again")[0], bundle.sealed(copied)[0]
    for name in ("model/estimator.py", "model/artifacts/network.keras", "evidence/evidence.json"):
        assert again["files"][name] == first["files"][name]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("model/artifacts/network.keras", "network.keras is not the file that was exported"),
        ("evidence/evidence.json", "evidence.json is not the file that was exported"),
        ("golden/outputs/t.npy", "t.npy is not the file that was exported"),
        ("network.onnx", "network.onnx is not the file that was exported"),
    ],
)
def test_a_changed_file_is_named(elsewhere: Shell, copied: Path, name: str, told: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(bytes(content))
    assert told in elsewhere("import", str(copied), code=2).output
    (copied / name).unlink()
    assert f"lacks the file {name}" in elsewhere("import", str(copied), code=2).output
    assert MlflowClient().search_model_versions("name='toy'") == []


def resealed(folder: Path, change: Callable[[dict], object]) -> None:
    """As somebody would who hides a change: with the hashes of the manifest made anew."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").unlink()
    change(manifest)
    del manifest["files"]
    bundle.seal(folder, manifest)


def test_hidden_changes_are_found(elsewhere: Shell, copied: Path) -> None:
    sha256 = bundle.sealed(copied)[1]
    module = copied / "model" / "estimator.py"
    module.write_text(module.read_text() + "\n# changed\n")
    resealed(copied, lambda manifest: None)
    assert (
        "it is not the bundle that you expect"
        in elsewhere("import", str(copied), "--sha256", sha256, code=2).output
    )
    told = elsewhere("import", str(copied), code=2).output
    assert "the model of" in told
    assert "is not the one that was registered" in told


def test_another_model_than_the_golden_vectors_is_refused(elsewhere: Shell, copied: Path) -> None:
    path = copied / "golden" / "outputs" / "t.npy"
    np.save(path, np.load(path) + 1)
    resealed(copied, lambda manifest: None)
    assert "loaded here, gives other values of 't'" in elsewhere("import", str(copied), code=1).output


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "is no bundle"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "is not a manifest of a bundle"),
        (lambda folder: (folder / "extra.py").write_text("x"), "extra.py is no part of the bundle"),
        (lambda folder: shutil.rmtree(folder), "is no bundle"),
        (lambda folder: resealed(folder, lambda m: m.update(format=2)), "this program reads 1"),
        (lambda folder: resealed(folder, lambda m: m.update(task="mass")), "is of the task 'toy'"),
        (lambda folder: resealed(folder, lambda m: m.pop("tags")), "does not say 'tags'"),
    ],
)
def test_what_is_no_bundle_is_refused(
    elsewhere: Shell, copied: Path, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(copied)
    assert told in elsewhere("import", str(copied), code=2).output


def test_a_bundle_without_a_part_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text("x")
    with pytest.raises(bundle.Damaged, match=r"lacks network\.onnx, which every bundle has"):
        bundle.seal(tmp_path, {})
