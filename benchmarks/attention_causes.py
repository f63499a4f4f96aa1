"""Why attention lies where it does: what accuracy owes to it, how flat it is, what regions tell.

CVsC and its ablations, with the paper's own scores, on pictures of unseen classes:

- entropy of the maps, as a share of the largest there can be; mass on the part named, and how far
  it is ahead of the mean of all attributes' maps;
- the same with logits divided by the number that brings the entropy to that of the first method:
  are maps of one method elsewhere, or just flatter?
- T1 as it is, with the maps of other pictures in the place of a picture's own, with attention
  spread evenly, and with logits times four: does recognition depend on where attributes look?
- other readings of the same network, by mass and peaks: sharper maps, maps beside the mean of all
  attributes', and the part of each region in the sum that the score is;
- peaks of a ridge regression that is trained on where parts are in training pictures: could the
  regions tell? This is a diagnosis, and used for nothing else.

    python -m benchmarks.attention_causes [--data field_guide|cub50|FOLDER] [--methods NAME ...]
        [--seed 0] [--epochs N]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

from benchmarks._data import VARIANTS
from benchmarks._machine import machine
from benchmarks.localization import Data, data_of, fitted
from zslearn.metrics import attribute_localization_score, czsl_accuracy_score
from zslearn.metrics._localization import as_membership

COLUMNS = (
    (
        "entropy",
        "mass",
        "lead",
        "divisor",
        "mass'",
        "lead'",
        "T1",
        "T1 others'",
        "T1 even",
        "T1 sharp",
    ),
    (8, 8, 8, 9, 8, 8, 8, 12, 9, 10),
)


def softmax(logits: Any) -> Any:
    """Softmax over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def entropy(maps: Any) -> float:
    """Mean entropy of maps, as a share of that of an even one."""
    terms = maps * np.log(np.where(maps > 0, maps, 1))
    return float(-terms.sum(axis=-1).mean() / np.log(maps.shape[-1]))


def divisor(logits: Any, wanted: float) -> float:
    """Find what logits are to be divided by for an entropy, by bisection."""
    low, high = 0.02, 50.0
    for _ in range(20):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if entropy(softmax(logits / middle)) < wanted else (low, middle)
    return float(middle)


def unit_regions(X: Any) -> Any:
    """Regions of unit length, or of zeros, in float32."""
    X = np.asarray(X, dtype=np.float32)
    return X / np.maximum(np.linalg.norm(X, axis=2, keepdims=True), 1e-12)


def mass(maps: Any, data: Data, method: str = "mass") -> float:
    """Share of maps on the part named."""
    rows = data.unseen
    options: dict[str, Any] = {"shown": data.shown[rows], "method": method}
    return attribute_localization_score(
        maps, data.part_regions[rows], data.attribute_parts, **options
    ).score


def lead(maps: Any, data: Data) -> float:
    """How far the mass of maps is ahead of that of their mean over attributes."""
    mean = np.broadcast_to(maps.mean(axis=1, keepdims=True), maps.shape)
    return mass(maps, data) - mass(mean, data)


def readings(logits: Any, values: Any) -> dict[str, Any]:
    """Read other maps off one network."""
    maps = softmax(logits)
    mean = maps.mean(axis=1, keepdims=True)
    return {
        "attention": maps,
        "logits times 4": softmax(4 * logits),
        "over the mean map": maps / mean,
        "less the mean map": positive(maps - mean),
        "times values": positive(maps * values),
    }


def positive(maps: Any) -> Any:
    """Take the positive part; as much everywhere of what has none."""
    maps = np.maximum(maps, 0)
    return np.where(maps.any(axis=2, keepdims=True), maps, 1)


def look(clf: Any, data: Data, wanted: float | None) -> tuple[list[float], str]:
    """Numbers of one network, in the order of COLUMNS, and a line on other readings."""
    regions, network = unit_regions(data.X[data.unseen]), clf.net_.module_.network.eval()
    with torch.inference_mode():
        weights = [part.float().numpy() for part in network.queries_and_embeddings()]
    logits, values = ((regions @ part.T).transpose(0, 2, 1) for part in weights)
    maps = softmax(logits)
    by = 1.0 if wanted is None else divisor(logits, wanted)
    read = softmax(logits / by)
    others = maps[np.random.default_rng(0).permutation(len(maps))]
    embeddings = clf.class_embeddings().T
    known = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
    accuracies = [
        czsl_accuracy_score(
            data.y[data.unseen], (weight * values).sum(axis=2) @ embeddings, **known
        )
        for weight in (maps, others, np.full_like(maps, 1 / maps.shape[2]), softmax(4 * logits))
    ]
    places = [mass(maps, data), lead(maps, data), by, mass(read, data), lead(read, data)]
    other = (
        f"{name} {mass(found, data):.3f} / {mass(found, data, 'peak'):.3f}"
        for name, found in readings(logits, values).items()
    )
    return [entropy(maps), *places, *accuracies], ", ".join(other)


def probe(data: Data) -> float:
    """Peaks of a ridge regression of parts on regions, trained on training pictures."""
    X = unit_regions(data.X[data.train]).reshape(-1, data.X.shape[2])
    Y = data.part_regions[data.train].transpose(0, 2, 1).reshape(len(X), -1).astype(np.float32)
    mean = X.mean(axis=0)
    X -= mean
    covariance = X.T @ X
    covariance.flat[:: len(covariance) + 1] += 0.01 * np.trace(covariance) / len(covariance)
    weights = np.linalg.solve(covariance, X.T @ (Y - Y.mean(axis=0)))
    found = (unit_regions(data.X[data.unseen]) - mean) @ weights  # (n, R, P)
    membership = as_membership(data.attribute_parts, found.shape[2])
    maps = np.ones((len(found), len(membership), found.shape[1]), dtype=np.float32)
    for k in np.flatnonzero(membership.any(axis=1)):
        maps[:, k] = found[..., membership[k]].max(axis=2)
    return mass(maps - maps.min() + 1e-6, data, "peak")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="field_guide", help="field_guide, cub50, or its folder")
    parser.add_argument("--methods", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="instead of the default's")
    parser.add_argument("--radius", type=float, default=0.05, help="of cub50's parts")
    arguments = parser.parse_args()
    data = data_of(arguments, parser)
    print(f"{machine()}\npeaks of a regression trained on parts: {probe(data):.3f}", flush=True)
    print(f"{'':10}" + "".join(f"{name:>{n}}" for name, n in zip(*COLUMNS, strict=True)))
    wanted = None
    for name in arguments.methods:
        found, other = look(
            fitted(name, data, arguments.seed, arguments.epochs, "own"), data, wanted
        )
        wanted = found[0] if wanted is None else wanted
        print(
            f"{name:10}" + "".join(f"{x:{n}.3f}" for x, n in zip(found, COLUMNS[1], strict=True)),
            f"\n    mass / peak: {other}",
            flush=True,
        )


if __name__ == "__main__":
    main()
