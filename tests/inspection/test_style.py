import builtins

import numpy as np
import pytest

from zslearn.inspection import _style

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(params=["default", "dark_background"])
def ax(request):
    with plt.style.context(request.param):
        _, ax = plt.subplots()
        yield ax


def test_text_stands_out(ax):
    paper, text = np.array(_style.background(ax)), np.array(_style.foreground(ax))
    assert abs(paper - text).min() > 0.9
    np.testing.assert_allclose(_style.muted(ax, 0.0), paper)
    np.testing.assert_allclose(_style.muted(ax, 1.0), text)


def test_transparent_axes_lie_over_the_figure():
    _, ax = plt.subplots(facecolor="black")
    ax.set_facecolor((1, 1, 1, 0.25))
    np.testing.assert_allclose(_style.background(ax), 0.25)
    assert _style.foreground(ax) == (1, 1, 1)


def test_nothing_is_drawn_as_paper(ax):
    paper = _style.background(ax)
    np.testing.assert_allclose(_style.sequential_colormap(ax)(0.0)[:3], paper)
    # The colour map has 256 steps: the middle lies between two of them.
    np.testing.assert_allclose(_style.diverging_colormap(ax)(0.5)[:3], paper, atol=1 / 128)


@pytest.mark.parametrize(("n", "step"), [(5, 1), (45, 1), (46, 2), (312, 7)])
def test_labels_never_crowd(ax, n, step):
    names = [f"name {i}" for i in range(n)]
    _style.show_labels(ax.xaxis, names)
    assert [text.get_text() for text in ax.get_xticklabels()] == names[::step]
    np.testing.assert_array_equal(ax.get_xticks(), np.arange(0, n, step))


def test_axes_are_made_or_taken(ax):
    assert _style.new_axes(ax, "SomeDisplay") is ax
    made = _style.new_axes(None, "SomeDisplay", (3, 2))
    assert tuple(made.figure.get_size_inches()) == (3, 2)
    with pytest.raises(TypeError, match="ax must be one matplotlib Axes, found ndarray"):
        _style.new_axes(np.array([ax]), "SomeDisplay")


def test_missing_matplotlib_is_named(monkeypatch):
    find = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return find(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"SomeDisplay .* pip install 'zslearn\[plot\]'"):
        _style.import_pyplot("SomeDisplay")


@pytest.mark.parametrize(
    ("text", "longest", "written"),
    [
        ("$x$ costs \\$5", None, r"\$x\$ costs \\$5"),
        ("a_b^c {%}", 9, "a_b^c {%}"),
        ("abcdefghijkl", 9, "abcde\N{HORIZONTAL ELLIPSIS}jkl"),
        ("ab $$$$$$ kl", 9, "ab \\$\\$\N{HORIZONTAL ELLIPSIS}kl"),
    ],
)
def test_texts_are_as_written(text, longest, written):
    assert _style.as_written(text, longest) == written


def test_long_names_take_room_as_far_as_they_are_written():
    assert _style.extra_room(["a" * 22, "b"]) == 0
    assert _style.extra_room(["a" * 32]) == pytest.approx(0.85)
    assert _style.extra_room(["a" * 500]) == _style.extra_room(["a" * 40])
    assert _style.extra_room(["a" * 40] * 61) == 0
    assert _style.extra_room([]) == 0
