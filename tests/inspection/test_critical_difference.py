"""Groups of methods that cannot be told apart, and the figure."""

import numpy as np
import pytest

from zslearn.inspection import CriticalDifferenceDisplay
from zslearn.model_selection import AverageRanks, ProtocolResults

plt = pytest.importorskip("matplotlib.pyplot")


def made(ranks, difference):
    names = tuple("abcdefgh"[: len(ranks)])
    return CriticalDifferenceDisplay(
        AverageRanks("AUSUC", names, np.array(ranks), difference, 9.0, 0.01, 8, 0.05)
    )


@pytest.mark.parametrize(
    ("ranks", "difference", "groups"),
    [
        ([1.0, 2.0, 3.0], 0.5, []),
        ([1.0, 2.0, 3.0], 1.0, []),
        ([1.0, 2.0, 3.0], 1.5, ["ab", "bc"]),
        ([1.0, 2.0, 3.0], 2.5, ["abc"]),
        ([1.0, 1.2, 1.4, 3.8, 3.9], 0.5, ["abc", "de"]),
        ([1.0, 1.4, 1.8, 2.2, 4.0], 1.0, ["abc", "bcd"]),
    ],
)
def test_groups(ranks, difference, groups):
    assert ["".join(group) for group in made(ranks, difference).groups] == groups


def test_what_is_drawn():
    display = made([1.0, 1.4, 1.8, 2.2, 4.0], 1.0).plot()
    assert display.texts_["a"].get_text() == "a  1.00"
    assert display.texts_["e"].get_text() == "4.00  e"
    ends = [bar.get_xdata() for bar in display.bars_]
    assert np.allclose(ends, [[0.96, 1.84], [1.36, 2.24]], atol=1e-12)
    assert display.ax_.get_xlim() == (1, 5)
    display.figure_.canvas.draw()


def test_from_results_on_given_axes():
    def run(method, split, value):
        names = {"data": "zoo", "classes": "seen", "split": split, "seed": 0, "method": method}
        return names | {"scores": {"AUSUC": value}, "error": None}

    runs = [run(m, s, v) for s in range(3) for m, v in (("low", 0.1), ("$high$", 0.2))]
    _, ax = plt.subplots()
    display = CriticalDifferenceDisplay.from_results(ProtocolResults(runs), ax=ax)
    assert display.ax_ is ax
    assert display.ranks.methods == ("$high$", "low")
    assert r"\$high\$" in display.texts_["$high$"].get_text()
