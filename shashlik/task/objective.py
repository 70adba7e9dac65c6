"""Objective that a search minimises where resolutions are evaluated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracking.statistics.residuals import Residuals

__all__ = ["objective"]

#: Content of one standard deviation of a Gaussian.
SHARE = 0.6827


def objective(residuals: Residuals, quantities: Sequence[str]) -> tuple[float, float]:
    """Compute the geometric mean over quantities of the 68.3 % quantile of abs(prediction - truth).

    The quantile includes a bias, and counts an object without a prediction as infinitely wrong. In the
    geometric mean, one per cent of any quantity has the same weight, whatever its unit. The error combines
    those of the quantiles, whose ranks are binomial, taken as independent of each other.

    Parameters
    ----------
    residuals : Residuals
        Of validation events.
    quantities : sequence of str
        Names of the quantities that enter.

    Returns
    -------
    tuple of float and float
        Objective and its error; NaN for an infinite objective.
    """
    logs, variances = [], []
    for name in quantities:
        values = np.abs(residuals.values[name][residuals.present])
        ordered = np.sort(np.where(np.isnan(values), np.inf, values))
        step = np.sqrt(SHARE * (1 - SHARE) / len(ordered))
        low, middle, high = (
            ordered[int(np.clip(share * len(ordered), 0, len(ordered) - 1))]
            for share in (SHARE - step, SHARE, SHARE + step)
        )
        if not 0 < middle < np.inf:
            return np.nan, np.nan
        logs.append(np.log(middle))
        variances.append(((min(high, 2 * middle) - low) / 2 / middle) ** 2)
    value = float(np.exp(np.mean(logs)))
    return value, value * float(np.sqrt(np.sum(variances))) / len(logs)
