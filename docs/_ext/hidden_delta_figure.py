"""Draw the figure about generated rows: ``python docs/_ext/hidden_delta_figure.py``."""

from __future__ import annotations

import runpy
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

DOCS = Path(__file__).parents[1]
TARGET = DOCS / "_static" / "hidden_delta.svg"


def main() -> None:
    """Run the gallery's example, and keep the last figure it draws."""
    runpy.run_path(str(DOCS.parent / "examples" / "plot_generative.py"))
    plt.rcParams["svg.hashsalt"] = "hidden_delta"
    plt.gcf().savefig(TARGET, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
