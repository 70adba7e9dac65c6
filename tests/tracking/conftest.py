"""Processes that are quickly there."""

from __future__ import annotations

from nursery import nursery

__all__ = ["nursery"]
