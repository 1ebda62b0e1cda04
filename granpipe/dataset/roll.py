"""Which photographs of a run are in, and which are not, and why."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence, Set
from itertools import pairwise

from granpipe.dataset.names import array_path, label_of, shown
from granpipe.dataset.tables import Rejection
from granpipe.errors import PhotoError


class Roll:
    """Every photograph once: in, with the SHA-256 of its bytes, or rejected, with the reason.

    Attributes
    ----------
    digests : dict of str to bytes
        The first half of the SHA-256 of those that are in, by source.
    made : set of str
        Those of them that were decoded in this run.
    rejected : dict of str to PhotoError
        By source.
    twins : list of str
        Those rejected because another one has the same bytes.
    """

    def __init__(self) -> None:
        self.digests: dict[str, bytes] = {}
        self.made: set[str] = set()
        self.rejected: dict[str, PhotoError] = {}
        self.twins: list[str] = []

    def admit(self, source: str, sha256: str, *, is_kept: bool) -> None:
        """Take a photograph in."""
        self._forget(source)
        self.digests[source] = short(sha256)
        if not is_kept:
            self.made.add(source)

    def reject(self, source: str, error: PhotoError) -> None:
        """Leave a photograph out."""
        self._forget(source)
        self.rejected[source] = error

    def _forget(self, source: str) -> None:
        self.digests.pop(source, None)
        self.made.discard(source)
        self.rejected.pop(source, None)

    def reject_twins(self) -> list[str]:
        """Reject the same bytes under two labels, and all but the first under one; return them."""
        digests = sorted(self.digests.values())
        shared = {one for one, other in pairwise(digests) if one == other}
        groups = defaultdict(list)
        for source in sorted(source for source, one in self.digests.items() if one in shared):
            groups[self.digests[source]].append(source)
        rejected = []
        for twins in groups.values():
            conflict = len(set(map(label_of, twins))) > 1
            for source in twins if conflict else twins[1:]:
                self.reject(source, _twin_error(source, twins, conflict))
                rejected.append(source)
        self.twins += rejected
        return rejected

    @property
    def kept(self) -> int:
        """How many are in that were not decoded again."""
        return len(self.digests) - len(self.made)

    @property
    def sources(self) -> list[str]:
        """The photographs that are in, sorted."""
        return sorted(self.digests)

    def counts(self) -> Counter[str]:
        """Return how many photographs of each label are in."""
        return Counter(map(label_of, self.digests))

    def rejections(self) -> list[Rejection]:
        """Return the rows of rejected.csv."""
        return [
            Rejection(shown(source), error.reason, error.detail)
            for source, error in sorted(self.rejected.items())
        ]


class Arrays(Set[str]):
    """The paths of the arrays of photographs, none of which is kept as a text of its own.

    Parameters
    ----------
    sources : collections of str
        Which photographs; best where it is fast to tell what is in.

    Examples
    --------
    >>> arrays = Arrays({"corn/a.jpg": 1}, {"corn/b.jpg"})
    >>> "corn/b.jpg.npy" in arrays, "corn/b.jpg" in arrays, sorted(arrays)
    (True, False, ['corn/a.jpg.npy', 'corn/b.jpg.npy'])
    """

    def __init__(self, *sources: Collection[str]) -> None:
        self._sources = sources

    @property
    def _all(self) -> Collection[str]:
        return self._sources[0] if len(self._sources) == 1 else set[str]().union(*self._sources)

    def __contains__(self, path: object) -> bool:
        # Of a hundred thousand, several times: so in a loop, and without a call.
        if not isinstance(path, str) or path[-4:] != ".npy":
            return False
        source = path[:-4]
        for some in self._sources:  # noqa: SIM110
            if source in some:
                return True
        return False

    def __iter__(self) -> Iterator[str]:
        return map(array_path, self._all)

    def __len__(self) -> int:
        return len(self._all)


def short(sha256: str) -> bytes:
    """Return what is kept of a SHA-256: half of it tells any two files apart."""
    return bytes.fromhex(sha256[:32])


def _twin_error(source: str, twins: Sequence[str], conflict: bool) -> PhotoError:
    if not conflict:
        return PhotoError("duplicate", f"same bytes as {twins[0]}")
    other = next(twin for twin in twins if label_of(twin) != label_of(source))
    return PhotoError("label_conflict", f"same bytes as {other}")
