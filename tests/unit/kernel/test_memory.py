"""What a process remembers is bounded."""

from __future__ import annotations

from healix_fhir.kernel.memory import Memory


def kept(memory: Memory[int, str]) -> list[int]:
    """Which of the first keys are remembered."""
    return [key for key in range(10) if memory.get(key) is not None]


def test_what_was_not_asked_for_longest_is_forgotten_first() -> None:
    """The memory holds as much as it may, and keeps what is used."""
    memory: Memory[int, str] = Memory(50)
    for key in range(4):
        memory.put(key, "value", 10)
    memory.get(0)
    for key in (4, 5):
        memory.put(key, "value", 10)
    assert kept(memory) == [0, 2, 3, 4, 5]


def test_one_value_does_not_fill_the_memory() -> None:
    """A heavy value is not remembered, and drives nothing out."""
    memory: Memory[int, str] = Memory(50)
    memory.put(0, "value", 12)
    memory.put(1, "value", 13)
    assert kept(memory) == [0]


def test_replaced_and_dropped_values_leave_room() -> None:
    """What is put twice counts once, and what is dropped not at all."""
    memory: Memory[int, str] = Memory(50)
    for number in range(20):
        memory.put(0, str(number), 10)
        memory.put(1, "value", 10)
        memory.drop(1)
    for key in range(1, 5):
        memory.put(key, "value", 10)
    assert memory.get(0) == "19"
    assert kept(memory) == [0, 1, 2, 3, 4]
