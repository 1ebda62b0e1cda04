"""Values that are made when they are asked for: many of them at once would fill memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, overload

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Made(Sequence[Value], Generic[Key, Value]):
    """What is made of keys, in their order.

    Attributes
    ----------
    keys : sequence
    make : callable
        Returns the value of a key.

    Examples
    --------
    >>> doubled = Made([1, 2, 3], lambda number: 2 * number)
    >>> len(doubled), doubled[1], doubled[1:], list(doubled)
    (3, 4, [4, 6], [2, 4, 6])
    """

    keys: Sequence[Key]
    make: Callable[[Key], Value]

    @overload
    def __getitem__(self, place: int) -> Value: ...

    @overload
    def __getitem__(self, place: slice) -> list[Value]: ...

    def __getitem__(self, place: int | slice) -> Value | list[Value]:
        if isinstance(place, slice):
            return list(map(self.make, self.keys[place]))
        return self.make(self.keys[place])

    def __iter__(self) -> Iterator[Value]:
        return map(self.make, self.keys)

    def __len__(self) -> int:
        return len(self.keys)
