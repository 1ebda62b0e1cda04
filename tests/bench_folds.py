"""Compare the folds of `prepare --folds` with those of scikit-learn's StratifiedGroupKFold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import numpy as np

from granpipe.dataset.shares import Folds

from bench_rounds import Bench
from members import Member, deal

FOLDS = 5
SETS = 20


def bench_folds(_: Bench) -> None:
    """Print how far classes are from an even share of each fold, as drawn sets come."""
    title = f"{FOLDS} folds of {SETS} sets of 1,000 photographs"
    print(f"\n{title:<46}{'mean error':>12}{'largest':>9}")
    sets = [drawn(seed) for seed in range(SETS)]
    print_errors("granpipe", [deal(members, Folds(FOLDS), 0) for members in sets], sets)
    if find_spec("sklearn"):
        print_errors("StratifiedGroupKFold", [sklearn_folds(members) for members in sets], sets)
        print_errors("  of 10 shuffles, the best", [shuffled(members) for members in sets], sets)


def drawn(seed: int) -> list[Member]:
    """Return photographs of up to 12 classes in groups of 1 to 60, of which some are mixed."""
    rng = np.random.default_rng(seed)
    classes, mixed = int(rng.integers(2, 13)), 0.3 if seed % 2 else 0.0
    weights = rng.dirichlet(np.ones(classes) * 2)
    members: list[Member] = []
    while len(members) < 1_000:
        size, own = min(int(rng.pareto(1.2)) + 1, 60), int(rng.choice(classes, p=weights))
        labels = [own if rng.random() >= mixed else int(rng.choice(classes)) for _ in range(size)]
        members += [Member(f"class {label}", f"g{len(members):04}") for label in labels]
    return members


def error_of(members: Sequence[Member], folds: Mapping[str, str]) -> tuple[float, float]:
    """Return the mean and the largest distance of a class's share of a fold from an even one."""
    totals = Counter(member.label for member in members)
    counts = Counter((member.label, folds[member.group]) for member in members)
    errors = [
        abs(counts[label, str(fold)] / total - 1 / FOLDS)
        for label, total in totals.items()
        for fold in range(FOLDS)
    ]
    return sum(errors) / len(errors), max(errors)


def print_errors(
    name: str, folds: Sequence[Mapping[str, str]], sets: Sequence[Sequence[Member]]
) -> None:
    errors = np.array([error_of(*pair) for pair in zip(sets, folds, strict=True)])
    print(f"  {name:<44}{errors[:, 0].mean():>12.4f}{errors[:, 1].mean():>9.4f}")


def sklearn_folds(members: Sequence[Member], seed: int | None = None) -> dict[str, str]:
    from sklearn.model_selection import StratifiedGroupKFold

    labels = np.array([member.label for member in members])
    groups = np.array([member.group for member in members])
    splitter = StratifiedGroupKFold(FOLDS, shuffle=seed is not None, random_state=seed)
    return {
        group: str(fold)
        for fold, (_, test) in enumerate(splitter.split(labels, labels, groups))
        for group in groups[test]
    }


def shuffled(members: Sequence[Member]) -> dict[str, str]:
    tried = [sklearn_folds(members, seed) for seed in range(10)]
    return min(tried, key=lambda folds: error_of(members, folds)[0])
