"""Formatting of numbers as physicists write them: rounded to two digits of their error."""

from __future__ import annotations

import math

__all__ = ["MISSING", "interval", "percent", "plain", "with_error"]

#: Text for a number that does not exist.
MISSING = "–"
#: Numbers with more decimal places are written with a power of ten.
MOST_PLACES = 7


def _decimals(error: float, digits: int = 2) -> int:
    """Find the decimal places that give an error this many significant digits; negative left of the point."""
    places = digits - 1 - math.floor(math.log10(abs(error)))
    # 0.0996 rounds up to 0.10: one place fewer still shows two digits.
    return places - 1 if round(abs(error) * 10**places) >= 10**digits else places


def with_error(value: float, error: float) -> str:
    """Format ``0.0389 ± 0.0011``, both to two significant digits of the error; without one to four digits."""
    if not math.isfinite(value):
        return MISSING
    if not (math.isfinite(error) and error > 0):
        return plain(value)
    places = _decimals(error)
    if places > MOST_PLACES:
        power = math.floor(math.log10(max(abs(value), error)))
        values = (_fixed(number / 10.0**power, places + power) for number in (value, error))
        return f"({' ± '.join(values)})e{power}".replace("-", "−")
    return f"{_fixed(value, places)} ± {_fixed(error, places)}"


def plain(value: float, digits: int = 4) -> str:
    """Format a number without an error to this many significant digits."""
    if not math.isfinite(value):
        return MISSING if math.isnan(value) else "∞"
    if value and _decimals(value) > MOST_PLACES:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    return "0" if value == 0 else _fixed(value, _decimals(value, digits))


def interval(value: float, low: float, high: float) -> str:
    """Format ``0.912 [0.897, 0.926]``, all to two digits of the smaller distance to the limits."""
    if not math.isfinite(value):
        return MISSING
    distances = [abs(value - limit) for limit in (low, high) if math.isfinite(limit) and limit != value]
    if not distances:
        return plain(value)
    places = max(_decimals(min(distances)), 0)
    limits = (_fixed(limit, places) if math.isfinite(limit) else plain(limit) for limit in (low, high))
    return f"{_fixed(value, places)} [{', '.join(limits)}]"


def percent(value: float, low: float, high: float) -> str:
    """Format ``2.31 ± 0.12 %``, or ``2.3 (+1.2 −0.8) %`` if the two sides differ visibly."""
    if not math.isfinite(value):
        return MISSING
    up, down = 100 * (high - value), 100 * (value - low)
    larger = max(up, down)
    if not larger > 0:
        return f"{plain(100 * value)} %"
    places = max(_decimals(larger), 0)
    if abs(up - down) < 0.1 * larger:
        return f"{_fixed(100 * value, places)} ± {_fixed(larger, places)} %"
    return f"{_fixed(100 * value, places)} (+{_fixed(up, places)} −{_fixed(down, places)}) %"


def _fixed(value: float, places: int) -> str:
    text = f"{round(value, places):.{max(places, 0)}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")
