"""The tables of the study index."""

from __future__ import annotations
