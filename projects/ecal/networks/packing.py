"""Export of a photon network as files for prediction elsewhere."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from projects.ecal.fits import corrections
from projects.ecal.networks import served_network
from projects.ecal.windows import placement, whole_image
from shashlik.estimators import portable
from shashlik.task.estimator import Portable

__all__ = ["packed"]


def packed(model: Any, folder: Path, threshold: float, cluster: str = "all", larger: str = "cut") -> Portable:
    """Write the graph and one module that needs numpy, Keras and TensorFlow.

    Parameters
    ----------
    model : keras.Model
    folder : pathlib.Path
        Output folder.
    threshold, cluster, larger
        See `projects.ecal.networks.served_network.answers`.
    """
    module = portable.join((placement, whole_image, corrections, served_network), folder)
    files = {
        name: folder / file
        for name, file in (
            ("network", "network.keras"),
            ("threshold", "threshold.txt"),
            ("cluster", "cluster.txt"),
        )
    }
    model.save(files["network"])
    files["threshold"].write_text(repr(threshold))
    files["cluster"].write_text(f"{cluster} {larger}\n")
    requirements = tuple(f"{package}=={version(package)}" for package in ("numpy", "keras", "tensorflow"))
    return Portable(module, files, requirements, ("cell_x", "cell_y", "cell_e"))
