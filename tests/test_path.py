"""The way of one photograph's bytes through prepare is short, and the one in granpipe/README.md."""

import re
import sys
from itertools import groupby
from pathlib import Path
from types import FrameType

import numpy as np
from PIL import Image

from granpipe.jobs.prepare_photo import ArraySettings, PhotoJob, PreparePhoto
from granpipe.stores.folder import Folder

from conftest import ROOT, picture, save

HOUSE = ROOT / "granpipe"
LISTED = re.compile(r"^[0-9]+\. `([\w/.]+)`: `([\w.]+)`", re.MULTILINE)
MOST_FUNCTIONS, MOST_RETURNS = 12, 4


class Trace:
    """Functions of granpipe that get a photograph from another module, and hand it on."""

    def __init__(self) -> None:
        self.frames: list[FrameType] = []  # that have been given it, in the order of their calls
        self.passed: set[FrameType] = set()

    def __call__(self, frame: FrameType, event: str, result: object) -> None:
        if not Path(frame.f_code.co_filename).is_relative_to(HOUSE):
            return
        if event == "call" and is_from_elsewhere(frame):
            self.frames.append(frame)
            if frame.f_code.co_name == "write" and any(map(is_photo, frame.f_locals.values())):
                self.passed.update(self._above(frame))
        elif event == "return" and is_photo(result):
            self.passed.add(frame)

    def _above(self, frame: FrameType | None) -> list[FrameType]:
        found = []
        while frame:
            found.append(frame)
            frame = frame.f_back
        return found

    def way(self) -> list[tuple[str, str]]:
        codes = [frame.f_code for frame in self.frames if frame in self.passed]
        return [
            (Path(code.co_filename).relative_to(HOUSE).as_posix(), code.co_qualname)
            for code in codes
        ]


def is_from_elsewhere(frame: FrameType) -> bool:
    """Tell whether another module has called, or a library that another module has called."""
    file, caller = frame.f_code.co_filename, frame.f_back
    while caller and not Path(caller.f_code.co_filename).is_relative_to(HOUSE):
        caller = caller.f_back
    return caller is None or caller.f_code.co_filename != file


def is_photo(value: object) -> bool:
    """Tell whether a value is or holds a file, pixels in colour, or an array that was drawn on."""
    if isinstance(value, tuple):
        return any(map(is_photo, value))
    if isinstance(value, Image.Image):
        return value.mode != "L"
    if isinstance(value, np.ndarray):
        return value.ndim == 3 and bool(value.any())
    return isinstance(value, bytes | bytearray) and len(value) > 500 and any(value[200:])


def test_the_way_of_a_photograph_is_the_one_in_the_readme(tmp_path):
    save(tmp_path / "img/corn/a.jpg", picture(640, 480))
    source, output = Folder(str(tmp_path / "img")), Folder(str(tmp_path / "out"))
    task = PreparePhoto(source, output, ArraySettings(224, (0, 0, 0), 10**8))
    job = PhotoJob(next(iter(source.list())))
    trace = Trace()
    sys.setprofile(trace)
    try:  # as granpipe.engines.worker does it
        task.keep(job, task.work(job, task.fetch(job)))
    finally:
        sys.setprofile(None)
    assert (tmp_path / "out/corn/a.jpg.npy").exists()
    way = trace.way()
    assert way == LISTED.findall((HOUSE / "README.md").read_text("utf-8"))
    assert len(way) <= MOST_FUNCTIONS
    modules = [module for module, _ in groupby(module for module, _ in way)]
    assert len(modules) - len(set(modules)) <= MOST_RETURNS
