"""A small network learns the same from files, from shards, and from copies made on the fly."""

import io
import json
import tarfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from granpipe import Photographs, augment, prepare

from conftest import ROOT

torch = pytest.importorskip("torch", reason="torch is not installed")


class Shards(torch.utils.data.Dataset):
    """The samples of shards in the order of their photographs and copies, as `Photographs` has."""

    def __init__(self, folder: Path, like: Photographs) -> None:
        self.mean, self.std = like.mean, like.std
        samples: dict[str, dict[str, bytes]] = defaultdict(dict)
        for shard in folder.glob("train-*.tar"):
            with tarfile.open(shard) as tar:
                for member in tar:
                    key, _, suffix = member.name.partition(".")
                    samples[key][suffix] = tar.extractfile(member).read()
        self.samples = sorted(samples.values(), key=self.place)

    @staticmethod
    def place(sample: dict[str, bytes]) -> tuple[str, int]:
        row = json.loads(sample["json"])
        return row["source"], int(row["copy"])

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, item: int) -> tuple[np.ndarray, int]:
        return np.load(io.BytesIO(self.samples[item]["npy"])), int(self.samples[item]["cls"])


def loader(photographs: Photographs) -> "torch.utils.data.DataLoader":
    order = torch.Generator().manual_seed(5)
    return torch.utils.data.DataLoader(photographs, batch_size=16, shuffle=True, generator=order)


def train(photographs: Photographs, epochs: int) -> list[float]:
    """Return the loss of every step."""
    torch.manual_seed(1)
    layers = [torch.nn.Conv2d(3, 8, 9, 4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)]
    model = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(8, 5))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    mean, std = (torch.tensor(three).view(3, 1, 1) for three in (photographs.mean, photographs.std))
    losses = []
    for _ in range(epochs):
        for images, labels in loader(photographs):
            batch = (images.permute(0, 3, 1, 2).float() / 255 - mean) / std
            loss = torch.nn.functional.cross_entropy(model(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    return losses


def test_two_epochs_from_files_from_shards_and_on_the_fly_are_the_same(tmp_path):
    out, shards = tmp_path / "out", tmp_path / "shards"
    prepare(ROOT / "img", out, split="60/20/20", workers=1)
    augment(out, 2, workers=1, shards=shards, shard_size=5)
    files, made = Photographs(out / "augmented"), Photographs(out, copies=2)
    made.mean, made.std = files.mean, files.std  # those of the copies
    ways = [files, made, Shards(shards, files)]
    first, *others = (next(iter(loader(photographs))) for photographs in ways)
    for other in others:
        assert first[0].numpy().tobytes() == other[0].numpy().tobytes()
        assert np.array_equal(first[1], other[1])
    losses = train(files, 2)
    assert [train(way, 2) for way in ways[1:]] == 2 * [losses]
    assert len(losses) == 4 and np.isfinite(losses).all()
