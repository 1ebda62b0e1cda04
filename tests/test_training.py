"""A small network learns the same from copies on the disk and from those made on the fly."""

import numpy as np
import pytest

from granpipe import Photographs, augment, prepare

from conftest import ROOT

torch = pytest.importorskip("torch", reason="torch is not installed")


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


def test_two_epochs_from_files_and_on_the_fly_are_the_same(tmp_path):
    out = tmp_path / "out"
    prepare(ROOT / "img", out, split="60/20/20", workers=1)
    augment(out, 2, workers=1)
    files, made = Photographs(out / "augmented"), Photographs(out, copies=2)
    made.mean, made.std = files.mean, files.std  # those of the copies
    first, second = (next(iter(loader(photographs))) for photographs in (files, made))
    assert first[0].numpy().tobytes() == second[0].numpy().tobytes()
    assert np.array_equal(first[1], second[1])
    losses = train(files, 2)
    assert losses == train(made, 2)
    assert len(losses) == 4 and np.isfinite(losses).all()
