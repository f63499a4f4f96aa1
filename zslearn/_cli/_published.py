"""What the paper reports, and what it and its released code do: data for ``zslearn reproduce``.

All numbers here are those of the paper (Tables 2 to 4, ViT-B/16 at 224 x 224); none was measured
with this package.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "BENCHMARKS",
    "HONEST",
    "PAPER",
    "PAPER_DELTA",
    "PAPER_EPOCHS",
    "PAPER_PARAMETERS",
    "PUBLISHED_MODEL",
    "ROWS",
    "TABLES",
    "Benchmark",
    "Row",
]

HONEST = "chosen on held-out seen classes"
PAPER = "selected on test images (paper protocol)"

# The backbone of the published numbers: timm's name up to the name of the weights.
PUBLISHED_MODEL = "vit_base_patch16_224"

# Where the paper gives a value it is taken, where it is silent the released code's. The weights of
# the three causal terms and alpha are the paper's.
PAPER_PARAMETERS: dict[str, Any] = {
    "lambda_cal": 0.4,
    "lambda_cc": 0.5,
    "lambda_sci": 2.0,
    "lambda_tci": 2.0,
    "objective__lambda_ce": 3.0,
    "objective__alpha": 0.5,
    "objective__calibration_bias": 2.0,
    "batch_size": 20,
    "learning_rate": 1e-3,
    "optimizer_params": {"betas": (0.5, 0.999)},
}
PAPER_DELTA = 2.0  # on logits, as released
PAPER_EPOCHS = tuple(range(1, 21))


@dataclass(frozen=True)
class Row:
    """A row of the ablation: its name in the paper, and the terms it lacks."""

    title: str
    without: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters of the classifier that make the row."""
        return dict.fromkeys(self.without, 0.0)


# In the order of Table 3.
ROWS = {
    "baseline": Row("Baseline", ("lambda_cc", "lambda_sci", "lambda_tci")),
    "without_ccl": Row("CVsC w/o CCL", ("lambda_cc",)),
    "without_sci": Row("CVsC w/o SCI", ("lambda_sci",)),
    "without_tci": Row("CVsC w/o TCI", ("lambda_tci",)),
    "cvsc": Row("CVsC"),
}

# The rows that a table needs.
TABLES = {2: ("cvsc",), 3: tuple(ROWS), 4: ("baseline", "cvsc")}


@dataclass(frozen=True)
class Benchmark:
    """A benchmark as the paper uses it, and what is published of it, in percent.

    Attributes
    ----------
    name : str
        As in the paper.
    archive : str
        What `root` must hold.
    parts : (int, int, int)
        Pictures of trainval, test_seen and test_unseen in the Proposed Split.
    n_classes, n_unseen, n_attributes : int
    table2 : dict of row to dict of metric to float
    table3 : dict of row to dict of metric to float
    table4 : dict of row to dict of metric to float
        Errors as they are, the increase as a share. Empty where the paper has no such table.
    """

    name: str
    archive: str
    parts: tuple[int, int, int]
    n_classes: int
    n_unseen: int
    n_attributes: int
    table2: dict[str, dict[str, float]]
    table3: dict[str, dict[str, float]]
    table4: dict[str, dict[str, float]] = field(default_factory=dict)

    def published(self, table: int) -> dict[str, dict[str, float]]:
        """Look a table up: a dict of metrics for each row."""
        numbers: dict[str, dict[str, float]] = getattr(self, f"table{table}")
        return numbers


def _accuracies(*values: float) -> dict[str, dict[str, float]]:
    pairs = zip(values[::2], values[1::2], strict=True)
    return {row: {"T1": t1, "H": h} for row, (t1, h) in zip(ROWS, pairs, strict=True)}


BENCHMARKS = {
    "cub": Benchmark(
        "CUB",
        "CUB_200_2011.tgz, unpacked, with xlsa17.zip beside it",
        (7057, 1764, 2967),
        *(200, 50, 312),
        table2={"cvsc": {"T1": 79.1, "U": 72.4, "S": 78.4, "H": 75.3}},
        table3=_accuracies(74.3, 66.9, 77.6, 71.4, 77.6, 73.9, 77.1, 73.0, 79.1, 75.3),
        table4={
            "baseline": {"seen_error": 0.146, "unseen_error": 0.174, "relative_increase": 0.191},
            "cvsc": {"seen_error": 0.089, "unseen_error": 0.099, "relative_increase": 0.119},
        },
    ),
    "sun": Benchmark(
        "SUN",
        "SUNAttributeDB.tar.gz and SUNAttributeDB_Images.tar.gz, unpacked, with xlsa17.zip beside",
        (10320, 2580, 1440),
        *(717, 72, 102),
        table2={"cvsc": {"T1": 71.5, "U": 61.9, "S": 47.6, "H": 53.8}},
        table3=_accuracies(68.1, 48.7, 69.4, 49.2, 71.2, 53.2, 70.3, 51.7, 71.5, 53.8),
    ),
    "awa2": Benchmark(
        "AWA2",
        "AwA2-data.zip, unpacked, with xlsa17.zip beside it",
        (23527, 5882, 7913),
        *(50, 10, 85),
        table2={"cvsc": {"T1": 73.1, "U": 68.0, "S": 87.0, "H": 76.4}},
        table3=_accuracies(59.8, 58.9, 65.4, 62.8, 72.5, 76.3, 70.1, 73.8, 73.1, 76.4),
    ),
}
