"""How many events a batch has, and when others may have the dataset's lock."""

import time

LARGEST_BATCH = 500
_GOAL = 20.0  # seconds that a batch should take at most: another worker, or a prepare, waits for it
_TURN = 5.0  # seconds of batches, one after the other, and then a breath
_BREATH = 0.25  # longer than anybody who waits for the lock pauses between two looks


class Pace:
    """The pace of one worker.

    Attributes
    ----------
    most : int
        Events that the next batch may have.
    """

    def __init__(self) -> None:
        self.most = LARGEST_BATCH
        self.begin_turn()

    def begin_turn(self) -> None:
        """Count the seconds of a turn from now on, since the lock was free."""
        self._began = time.monotonic()

    def end_batch(self, count: int, took: float) -> None:
        """Choose the size of the next batch by this one, and breathe at the end of a turn."""
        if took > _GOAL:
            self.most = max(1, int(count * _GOAL / took))
        elif count == self.most:
            self.most = min(LARGEST_BATCH, 2 * count)
        if time.monotonic() - self._began > _TURN:
            self.breathe()

    def breathe(self) -> None:
        """Leave others the time to take the lock."""
        time.sleep(_BREATH)
        self.begin_turn()
