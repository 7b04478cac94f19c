"""Fields of single bits in a buffer, each from the lowest bit on, as the headers of JPEG XL have them.

Spec: ISO/IEC 18181-1 B.2 (fields)
"""

from __future__ import annotations

from dicomweb.deidentify.stream.refusal import unseen

Choice = tuple[int, int]
"""What is added to a number of so many bits."""
ENUM: tuple[Choice, ...] = ((0, 0), (1, 0), (2, 4), (18, 6))


class Bits:
    """Reads fields of `made` one after the other; `at` is the place of the next bit."""

    def __init__(self, made: bytearray, at: int) -> None:
        self.made = made
        self.at = at

    def take(self, count: int) -> int:
        """The next number. Raises Unprocessable behind the end."""
        end = self.at + count
        if end > len(self.made) * 8:
            raise unseen()
        first = self.at >> 3
        found = int.from_bytes(self.made[first : (end + 7) >> 3], "little") >> (self.at & 7)
        self.at = end
        return found & ((1 << count) - 1)

    def flag(self) -> bool:
        """One bit."""
        return bool(self.take(1))

    def skip(self, count: int) -> None:
        """Pass over so many bits."""
        self.at += count
        if self.at > len(self.made) * 8:
            raise unseen()

    def u32(self, *choices: Choice) -> int:
        """A number in one of four forms."""
        added, bits = choices[self.take(2)]
        return added + self.take(bits)

    def u64(self) -> int:
        """A number that is longer the greater it is."""
        choice = self.take(2)
        if choice < 3:
            return (0, 1, 17)[choice] + self.take((0, 4, 8)[choice])
        found, shift = self.take(12), 12
        while shift < 60 and self.flag():
            found |= self.take(8) << shift
            shift += 8
        if shift == 60 and self.flag():
            found |= self.take(4) << shift
        return found

    def enum(self) -> int:
        """One of a list of names."""
        return self.u32(*ENUM)

    def halves(self, count: int) -> None:
        """Pass over numbers with 16 bits."""
        self.skip(16 * count)

    def emptied(self, count: int) -> None:
        """Zeros in the place of the next bits."""
        start, end = self.at, self.at + count
        self.skip(count)
        first, last = start >> 3, (end + 7) >> 3
        held = int.from_bytes(self.made[first:last], "little")
        held &= ~(((1 << count) - 1) << (start & 7))
        self.made[first:last] = held.to_bytes(last - first, "little")

    def align(self) -> int:
        """Go to the next byte, and which one it is."""
        self.at = (self.at + 7) & ~7
        return self.at >> 3
