"""What stops at any step, for good or while others post, delete and move the same bytes."""

import hashlib
from contextlib import suppress
from itertools import count, product

import pytest

from granpipe.service.claims import Claims
from granpipe.service.erasure import Erasure
from granpipe.service.gate import Gate
from granpipe.service.intake import Intake, RefusedError
from granpipe.service.leftovers import Leftovers

import exif_blocks as eb
from buckets import memory_bucket

pytestmark = pytest.mark.slow
PHOTO = eb.jpeg_at(10.0, 20.0)
DIGEST = hashlib.sha256(PHOTO).hexdigest()
CORN, WHEAT = f"corn/{DIGEST}.jpg", f"wheat/{DIGEST}.jpg"
STEPS = {"create", "delete", "list", "read", "replace", "version", "write"}


class Killed(BaseException):
    """The process ends here, whatever it would catch."""


class Stepped:
    """A store, of which something happens before one operation, and whose user dies at another."""

    def __init__(self, store, at: int, happens, dies: int) -> None:
        self._store, self._at, self._happens, self._dies = store, at, happens, dies
        self.count = 0

    def __getattr__(self, name: str):
        do = getattr(self._store, name)
        if name not in STEPS:
            return do

        def step(*args: object, **options: object):
            self.count += 1
            if self.count == self._at:
                self._happens()
            if self.count == self._dies:
                raise Killed
            return do(*args, **options)

        return step


class Queue(list):
    """Events that nobody takes."""

    publish = list.append

    def check(self) -> None:
        """Answer."""


class Index(dict):
    """An index in which nothing is."""

    def delete(self, digests) -> None:
        raise AssertionError(digests)


@pytest.fixture
def store():
    """Return a bucket in memory, which is fast; claims ask no more of a disk."""
    pytest.importorskip("flask", reason="the extra service is not installed")
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    return memory_bucket({})


class Party:
    """Who uses one store, and which label counts in the end, as far as they have been answered."""

    def __init__(self, store) -> None:
        self.store, self.events, self.claims = store, Queue(), Claims(store)
        self.label = ""

    def post(self, label: str, store=None, *, again: bool = False) -> int:
        intake = Intake(store or self.store, self.events)
        try:
            intake.receive(PHOTO, label, again=again)
        except RefusedError as error:
            return error.status
        self.label = label
        return 200

    def post_again(self, label: str, store=None) -> int:
        return self.post(label, store, again=True)

    def delete(self, store=None) -> str:
        self.label = ""
        intake = Intake(store or self.store, self.events)
        return Erasure(intake, Index(), Gate("index", lambda: None)).erase(DIGEST)

    def clear(self, store=None) -> None:
        """Do what the worker does before a batch."""
        Leftovers(Claims(store or self.store), self.events).clear()

    def remove(self, source: str) -> None:
        """Remove a photograph by hand."""
        self.label = ""
        self.store.delete(source)

    def move(self) -> None:
        """Move the photograph by hand from corn to wheat, where no upload is on its way."""
        if CORN in self.kept() and not [*self.claims.arrivals()]:
            self.store.create(WHEAT, PHOTO)
            self.remove(CORN)

    def find(self) -> str:
        return Intake(self.store, self.events).find(DIGEST)

    def kept(self) -> list[str]:
        entries = self.store.list()
        return sorted(one.path for one in entries if not one.path.startswith(".granpipe/"))

    def empty(self) -> None:
        for entry in [*self.store.list()]:
            self.store.delete(entry.path)


def die_at_bytes(party: Party) -> None:
    """Begin an upload that is killed when it has noted its label."""

    def is_whole(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        patch.setattr(Intake, "_write", is_whole)
        party.post("corn")


def come_late(party: Party) -> None:
    """Let bytes come after their deletion, from an upload that is killed then."""
    die_at_bytes(party)
    party.delete()
    party.store.create(CORN, PHOTO)


BEFORE = {
    "new": lambda party: None,
    "there": lambda party: party.post("corn"),
    "removed": lambda party: [party.post("corn"), party.remove(CORN)],
    "elsewhere": lambda party: party.post("wheat"),
    "deleted": lambda party: [party.post("corn"), party.delete()],
    "begun": die_at_bytes,
    "late": come_late,
}
ACTIONS = {
    "post corn": lambda party, store: party.post("corn", store),
    "post wheat": lambda party, store: party.post("wheat", store),
    "post corn again": lambda party, store: party.post_again("corn", store),
    "delete": lambda party, store: party.delete(store),
    "clear": lambda party, store: party.clear(store),
}
OTHERS = {
    "nothing": lambda party: None,
    "wheat": lambda party: party.post("wheat"),
    "corn": lambda party: party.post("corn"),
    "corn again": lambda party: party.post_again("corn"),
    "corn and wheat": lambda party: [party.post("corn"), party.post("wheat")],
    "deleted": lambda party: party.delete(),
    "relabelled": lambda party: [party.delete(), party.post("wheat")],
    "relabelled twice": lambda party: [
        *(party.delete(), party.post("wheat"), party.delete(), party.post_again("corn"))
    ],
    "posted and deleted": lambda party: [party.post("corn"), party.delete()],
    "removed": lambda party: party.remove(CORN),
    "removed, wheat": lambda party: [party.remove(CORN), party.post("wheat")],
    "moved": lambda party: [party.move(), party.post("wheat")],
    "cleared": lambda party: party.clear(),
    "deleted and cleared": lambda party: [party.delete(), party.clear()],
}
LATER = (
    0,
    1,
    2,
    3,
    4,
    5,
    1_000,
)  # steps from what happens to the end of the process; the last one never comes
ERASES = ("delete", "relabel", "move")


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("action", ACTIONS)
def test_whatever_comes_between_two_steps_one_label_counts(store, action, before):
    for other, later in product(OTHERS, LATER):
        for at in count(1):
            party, labels = Party(store), []
            BEFORE[before](party)

            def happens(party=party, other=other, labels=labels) -> None:
                party.label = ""
                OTHERS[other](party)
                labels.append(party.label)

            stepped = Stepped(store, at, happens, at + later)
            with suppress(Killed):
                is_taken = ACTIONS[action](party, stepped) == 200
                if is_taken and not any(word in other for word in ERASES):
                    labels.append(action.split()[1])
            if stepped.count >= at:
                check(party, action, labels, f"{other} before step {at}, killed {later} later")
            party.empty()
            if stepped.count < at:
                break


def check(party: Party, action: str, labels: list[str], step: str) -> None:
    """See that nothing is in two places or in a wrong one, now and after all that may follow."""
    party.clear()
    kept = party.kept()
    assert len(kept) <= 1, step
    wanted = [f"{label}/{DIGEST}.jpg" for label in labels if label]
    if wanted and action != "delete":
        assert {*wanted} == {*kept}, step
    assert party.find() == "".join(kept), step
    # A phone sends it again, under either label: one is taken.
    answers = {label: party.post(label) for label in ("wheat", "corn")}
    kept, taken = party.kept(), [label for label, status in answers.items() if status == 200]
    assert len(kept) <= 1 and {*answers.values()} <= {200, 409, 410}, (step, answers)
    if taken or action != "delete":
        assert [f"{label}/{DIGEST}.jpg" for label in taken] == kept, (step, answers)
    if kept:
        assert party.delete() == kept[0], step
    party.clear()
    assert (party.kept(), party.find()) == ([], ""), step
