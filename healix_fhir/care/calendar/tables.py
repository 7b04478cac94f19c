"""The tables of what belongs to appointments beside their resources: offers, reminders, links of calendars."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, LargeBinary, Table, Text, func

from healix_fhir.kernel.database import metadata

waiting_offer = Table(
    "waiting_offer",
    metadata,
    Column("appointment", Text(collation="C"), primary_key=True),
    Column("slot", Text(collation="C"), primary_key=True),
    Column("offered", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="slots that were offered to who waits; see care/calendar/waiting.py",
)

reminder = Table(
    "reminder",
    metadata,
    Column("appointment", Text(collation="C"), primary_key=True),
    Column("start", DateTime(timezone=True), primary_key=True),
    comment="appointments that people were reminded of; see care/calendar/reminding.py",
)

calendar_link = Table(
    "calendar_link",
    metadata,
    Column("username", Text(collation="C"), primary_key=True),
    Column("secret", LargeBinary, nullable=False, unique=True),  # SHA-256 of 256 random bits
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="links by which calendar programs read appointments; see care/calendar",
)
