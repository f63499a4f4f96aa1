"""What every display keeps to, whatever it shows."""

import copy
import pickle
import warnings

import numpy as np
import pytest

from zslearn import ClassAttributes
from zslearn.inspection import (
    AttributeAttentionDisplay,
    LambdaSweepDisplay,
    SeenUnseenCurveDisplay,
    SemanticErrorDisplay,
    SemanticExplanationDisplay,
    UnseenConfusionDisplay,
)

matplotlib = pytest.importorskip("matplotlib")
plt = pytest.importorskip("matplotlib.pyplot")

LONG = "no end of a name " * 9 + "at last"
CLASSES = ["$a$", "$b_c$ \\frac{", "x & <y> $5", LONG]
ATTRIBUTES = ["has_$k$::$v_1$", "has_$k$::{}%", "$p$q$r$", LONG]
VALUES = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 0]])


def curve(axes=None):
    return SeenUnseenCurveDisplay.from_predictions(
        [0, 0, 1, 1], [[3, 1], [2, 2], [4, 1], [1, 0]], classes=[0, 1], seen_classes=[0], ax=axes
    )


def sweep(axes=None):
    found = {
        "param_lambda_cc": [0, 1, 0],
        "param_kind": ["$a$", "$a$", "$b$"],
        "split0_test_H": [0.1, 0.2, 0.0],
        "split1_test_H": [0.2, 0.2, 0.0],
    }
    return LambdaSweepDisplay.from_cv_results(found, params="lambda_cc", axes=axes)


def confusion(axes=None):
    y_pred = [CLASSES[i] for i in (0, 1, 3, 3)]
    return UnseenConfusionDisplay.from_predictions(
        CLASSES, y_pred, labels=CLASSES[1:], seen_classes=CLASSES[:1], ax=axes
    )


def errors(axes=None):
    table = ClassAttributes(VALUES, labels=CLASSES, attribute_names=ATTRIBUTES)
    return SemanticErrorDisplay.from_predictions(
        CLASSES, VALUES[::-1], table, seen_classes=CLASSES[:2], axes=axes
    )


def explanation(axes=None):
    display = SemanticExplanationDisplay(
        contributions=[0.3, -0.2, 0.1, 0.05],
        attribute_names=ATTRIBUTES,
        class_name=CLASSES[1],
        other_name=CLASSES[3],
        predicted_values=VALUES[0],
        class_values=VALUES[:2],
    )
    return display.plot(axes)


def attention(axes=None):
    display = AttributeAttentionDisplay(
        maps=np.ones((1, 4, 4)) / 4,
        grid_shape=(2, 2),
        attribute_names=ATTRIBUTES,
        images=[np.zeros((8, 8, 3), dtype=np.uint8)],
        labels=CLASSES[:1],
        predictions=[CLASSES[1:2]],
    )
    return display.plot(axes)


SHAPES = {curve: 1, sweep: 1, confusion: 1, errors: 2, explanation: 1, attention: 5}
every = pytest.mark.parametrize("draw", SHAPES, ids=lambda draw: draw.__name__)


def texts(figure):
    found = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    return [text for text in found if text]


@every
@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_names_are_no_mathematics_and_nothing_is_cropped(draw, style):
    with plt.style.context(style), warnings.catch_warnings():
        warnings.simplefilter("error")  # such as of a layout without room
        figure = draw().figure_
        figure.canvas.draw()
        box = figure.get_tightbbox(figure.canvas.get_renderer())
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.02
    named = [text for text in texts(figure) if "$" in text and "lambda" not in text]
    assert bool(named) == (draw is not curve)
    for text in named:
        assert not matplotlib.cbook.is_math_text(text)
    assert not any(LONG in text for text in texts(figure))


@every
def test_copies_and_pickles(draw):
    display = draw()
    display.figure_.canvas.draw()
    for other in (pickle.loads(pickle.dumps(display)), copy.deepcopy(display)):
        other.figure_.canvas.draw()
        assert texts(other.figure_) == texts(display.figure_)
        assert other.plot().figure_ is not display.figure_


@every
def test_nothing_else_is_touched(draw, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("it was shown"))
    before = dict(matplotlib.rcParams)
    first = draw()
    titles = [ax.get_title() for ax in first.figure_.axes]
    again = first.plot()
    assert again is first
    assert [ax.get_title() for ax in again.figure_.axes] == titles
    assert dict(matplotlib.rcParams) == before


@every
def test_axes_of_a_subfigure_and_of_plain_figures(draw):
    large = plt.figure(figsize=(24, 16), layout="constrained")
    for parent in (large.subfigures(1, 2)[1], plt.figure()):
        axes = np.atleast_1d(parent.subplots(SHAPES[draw], 1))
        display = draw(axes if len(axes) > 1 else axes[0])
        assert display.figure_ is parent
        given = np.ravel(display.axes_ if hasattr(display, "axes_") else display.ax_)
        assert given.tolist() == axes.tolist()
        parent.figure.canvas.draw()


def test_shared_axes_are_not_named_wrongly():
    """The names of the panel drawn last would stand beside the others."""
    _, axes = plt.subplots(2, 1, sharey=True)
    with pytest.raises(ValueError, match="ax shares its y axis .* without sharey=True"):
        errors(axes)
    _, axes = plt.subplots(1, 2, sharex=True)
    confusion(axes[0])
    with pytest.raises(ValueError, match="ax shares its x axis .* without sharex=True"):
        UnseenConfusionDisplay.from_predictions([1, 2], [1, 2], ax=axes[1])
    _, axes = plt.subplots(1, 2, sharey=True)
    explanation(axes[0])
    with pytest.raises(ValueError, match="shares its y axis"):
        SemanticExplanationDisplay(
            contributions=[1.0], attribute_names=["b"], class_name=1, other_name=2
        ).plot(axes[1])


def test_axes_may_be_shared_where_all_show_the_same():
    _, axes = plt.subplots(2, 1, sharex=True)
    assert errors(axes).axes_.tolist() == axes.tolist()
    _, axes = plt.subplots(1, 2, sharex=True, sharey=True)
    first, second = (confusion(ax) for ax in axes)
    for axis in ("xaxis", "yaxis"):
        places = getattr(first.ax_, axis).get_ticklocs()
        assert places.tolist() == getattr(second.ax_, axis).get_ticklocs().tolist()
