from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.inspection import LambdaSweepDisplay, ParameterSweep
from zslearn.inspection._style import PALETTE
from zslearn.metrics import ausuc_scorer, gzsl_multimetric_scorer
from zslearn.model_selection import SeenUnseenKFold

plt = pytest.importorskip("matplotlib.pyplot")
draw = LambdaSweepDisplay.from_cv_results


def one_parameter(values, name="lambda_cc", **scores):
    """cv_results_ of a search over one parameter: metric -> (n_candidates, n_splits)."""
    results = {f"param_{name}": np.ma.array(values)}
    for metric, table in scores.items():
        for i, column in enumerate(np.transpose(table)):
            results[f"split{i}_test_{metric}"] = column
    return results


def grid():
    """Two parameters together, two folds; the best H, .7, is at cc = 1, sci = 5."""
    cc, sci = (values.ravel() for values in np.meshgrid([0.0, 0.5, 1.0], [2, 5], indexing="ij"))
    H = np.array([0.1, 0.2, 0.6, 0.3, 0.4, 0.7])
    return {
        "param_clf__lambda_cc": np.ma.array(cc),
        "param_clf__lambda_sci": np.ma.array(sci),
        "split0_test_H": H - 0.02,
        "split1_test_H": H + 0.02,
        "split0_test_T1": H + 0.1,
        "split1_test_T1": H + 0.1,
        "split0_test_AUSUC": 1 - H,
        "split1_test_AUSUC": 1 - H,
    }


def texts(labels):
    return [label.get_text() for label in labels]


def test_lines_and_bands_by_hand():
    results = one_parameter([2.0, 0.0, 1.0], H=[[0.4, 0.6], [0.2, 0.2], [0.5, 0.7]])
    display = draw(results)
    line, band = display.lines_["lambda_cc"]["H"], display.bands_["lambda_cc"]["H"]
    np.testing.assert_allclose(line.get_xydata(), [[0, 0.2], [1, 0.6], [2, 0.5]])
    # Of two folds, half their distance: sqrt(2 d^2 / 4) / sqrt(2) for d = .2.
    np.testing.assert_allclose(display.sweeps["lambda_cc"].standard_error["H"], [0, 0.1, 0.1])
    corners = band.get_paths()[0].vertices
    for x, low, high in ((0, 0.2, 0.2), (1, 0.5, 0.7), (2, 0.4, 0.6)):
        heights = corners[corners[:, 0] == x, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [low, high])
    np.testing.assert_array_equal(display.best_lines_["lambda_cc"].get_xdata(), [1, 1])
    assert display.sweeps["lambda_cc"].best == 1.0
    (ax,) = display.axes_
    assert ax.get_xlabel() == r"$\lambda_{\mathrm{cc}}$"
    assert ax.get_ylabel() == "Mean over 2 folds ± standard error"
    assert ax.get_title() == ""
    assert texts(display.figure_.legends[0].get_texts()) == ["H", "chosen by H"]


def test_other_parameters_stay_as_chosen():
    display = draw(grid())
    assert list(display.sweeps) == ["clf__lambda_cc", "clf__lambda_sci"]
    cc, sci = display.sweeps.values()
    assert list(cc.mean) == ["T1", "H"]
    np.testing.assert_allclose(cc.mean["H"], [0.2, 0.3, 0.7])
    np.testing.assert_allclose(cc.mean["T1"], [0.3, 0.4, 0.8])
    np.testing.assert_allclose(sci.mean["H"], [0.4, 0.7])
    assert (cc.best, sci.best) == (1.0, 5)
    assert cc.others == {"clf__lambda_sci": 5}
    assert [ax.get_title() for ax in display.axes_] == [
        r"$\lambda_{\mathrm{sci}}$ = 5",
        r"$\lambda_{\mathrm{cc}}$ = 1",
    ]
    assert (cc.n_missing, cc.n_fits) == (0, 6)


def test_other_parameters_best_or_mean_or_given():
    best = draw(grid(), params="lambda_cc", others="best")
    sweep = best.sweeps["clf__lambda_cc"]
    np.testing.assert_allclose(sweep.mean["H"], [0.2, 0.6, 0.7])
    assert best.axes_[0].get_title() == "others: best for each value"
    # All metrics at the setting with the best H, not each at its own.
    by_area = draw(grid(), params="lambda_cc", others="best", select_by="AUSUC")
    sweep = by_area.sweeps["clf__lambda_cc"]
    np.testing.assert_allclose(sweep.mean["H"], [0.1, 0.3, 0.4])
    assert (sweep.best, sweep.best_by) == (0.0, "AUSUC")

    mean = draw(grid(), params=["lambda_cc"], others="mean", metrics="H")
    sweep = mean.sweeps["clf__lambda_cc"]
    np.testing.assert_allclose(sweep.mean["H"], [0.15, 0.45, 0.55])
    np.testing.assert_allclose(sweep.standard_error["H"], 0.02)
    assert sweep.n_fits == 12

    given = draw(grid(), params="lambda_cc", others={"lambda_sci": 2})
    sweep = given.sweeps["clf__lambda_cc"]
    np.testing.assert_allclose(sweep.mean["H"], [0.1, 0.6, 0.4])
    # The chosen setting is not on this line: the best of the line is marked.
    assert sweep.best == 0.5
    assert sweep.others == {"clf__lambda_sci": 2}


def test_one_parameter_at_a_time():
    # Two grids; the best setting is in the second, where lambda_cc was left alone.
    results = {
        "param_lambda_cc": np.ma.array([0.1, 0.5, 0, 0], mask=[0, 0, 1, 1]),
        "param_lambda_sci": np.ma.array([0, 0, 1, 3], mask=[1, 1, 0, 0]),
        "split0_test_score": np.array([0.1, 0.3, 0.4, 0.2]),
    }
    display = draw(results)
    cc, sci = display.sweeps.values()
    np.testing.assert_array_equal(cc.values, [0.1, 0.5])
    np.testing.assert_array_equal(cc.mean["score"], [0.1, 0.3])
    np.testing.assert_array_equal(sci.mean["score"], [0.4, 0.2])
    assert (cc.best, sci.best) == (0.5, 1)
    assert [ax.get_title() for ax in display.axes_] == [
        r"$\lambda_{\mathrm{sci}}$ = default",
        r"$\lambda_{\mathrm{cc}}$ = default",
    ]
    # One fold has no standard error.
    assert np.isnan(cc.standard_error["score"]).all()
    assert display.axes_[0].get_ylabel() == "Score"


def test_data_frames_are_results():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(grid())
    expected, found = draw(grid()).sweeps, draw(frame).sweeps
    for param, sweep in expected.items():
        np.testing.assert_array_equal(found[param].mean["H"], sweep.mean["H"])
        np.testing.assert_array_equal(found[param].values, sweep.values)


def test_failed_fits_are_gaps_and_counted():
    table = [[0.1, 0.3], [np.nan, 0.5], [0.2, 0.2], [np.nan, np.nan]]
    results = one_parameter([0, 1, 2, 3], H=table, T1=np.full((4, 2), 0.5))
    display = draw(results)
    sweep = display.sweeps["lambda_cc"]
    y = display.lines_["lambda_cc"]["H"].get_ydata()
    np.testing.assert_allclose(y, [0.2, np.nan, 0.2, np.nan])
    np.testing.assert_allclose(display.lines_["lambda_cc"]["T1"].get_ydata(), 0.5)
    assert (sweep.n_missing, sweep.n_fits, sweep.best) == (3, 8, 0.0)
    assert display.axes_[0].get_title() == "no score in 3 of 8 fits"


def test_values_between_gaps_have_error_bars():
    table = [[0.1, 0.3], [np.nan, 0.5], [0.2, 0.4], [np.nan, 0.1], [0.5, 0.5], [0.1, 0.3]]
    results = one_parameter([1, 2, 3, 4, 5, 6], H=table, T1=np.full((6, 2), 0.5))
    display = draw(results)
    bars = display.error_bars_["lambda_cc"]
    assert list(bars) == ["H"]  # T1 has no gaps
    segments = bars["H"].lines[2][0].get_segments()
    # Of 1 and 3; 5 and 6 have each other, and the band between them.
    np.testing.assert_allclose(segments, [[[1, 0.1], [1, 0.3]], [[3, 0.2], [3, 0.4]]])
    line = display.lines_["lambda_cc"]["H"]
    expected = to_rgba(line.get_color())[:3]
    np.testing.assert_allclose(bars["H"].lines[2][0].get_colors()[0][:3], expected)
    # Without a standard error there is nothing to draw.
    single = draw(one_parameter([1, 2], H=[[0.1], [np.nan]]))
    assert single.error_bars_ == {"lambda_cc": {}}


def test_nothing_but_failed_fits():
    display = draw(one_parameter([0, 1], H=np.full((2, 2), np.nan)))
    assert display.sweeps["lambda_cc"].best is None
    assert display.best_lines_ == {"lambda_cc": None}
    assert texts(display.figure_.legends[0].get_texts()) == ["H"]


@pytest.mark.parametrize(
    ("values", "scale", "ticks"),
    [
        ([0.1, 1, 1.9], "linear", ["0.1", "1", "1.9"]),
        ([0, 0.1, 0.5, 1.9], "linear", ["0", "0.5", "1.9"]),
        ([0.1, 0.5, 2], "log", ["0.1", "0.5", "2"]),
        ([0, 0.1, 0.5, 2], "symlog", ["0", "0.1", "0.5", "2"]),
        ([-1, 0.001, 1], "linear", ["-1", "0.001", "1"]),
        ([0, 1], "linear", ["0", "1"]),
    ],
)
def test_scale_of_the_values(values, scale, ticks):
    display = draw(one_parameter(values, H=np.ones((len(values), 2))))
    (ax,) = display.axes_
    assert ax.get_xscale() == scale
    display.figure_.canvas.draw()
    assert texts(ax.get_xticklabels()) == ticks
    np.testing.assert_array_equal(display.lines_["lambda_cc"]["H"].get_xdata(), values)


@pytest.mark.parametrize("zero", [False, True])
def test_ticks_never_overlap(zero):
    values = np.concatenate([[0.0] if zero else [], np.geomspace(0.01, 50, 40)])
    display = draw(one_parameter(values, H=np.ones((len(values), 2))))
    display.figure_.canvas.draw()
    labels = display.axes_[0].get_xticklabels()
    boxes = [label.get_window_extent() for label in labels]
    assert len(labels) >= 5
    assert texts(labels)[0] == f"{values[0]:.3g}"
    assert texts(labels)[-1] == "50"
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))


def test_values_that_are_no_numbers():
    values = np.ma.array(["l2", None, "cosine"], dtype=object)
    results = one_parameter(values, "clf__norm", score=[[0.3], [0.1], [0.2]])
    display = draw(results, params="norm")
    sweep = display.sweeps["clf__norm"]
    assert list(sweep.values) == ["l2", None, "cosine"]
    assert sweep.best == "l2"
    (ax,) = display.axes_
    assert texts(ax.get_xticklabels()) == ["l2", "None", "cosine"]
    np.testing.assert_array_equal(
        display.lines_["clf__norm"]["score"].get_xydata(), [[0, 0.3], [1, 0.1], [2, 0.2]]
    )
    assert ax.get_xlabel() == "norm"


def test_repeated_settings_count_as_one():
    results = one_parameter([1, 1, 2], H=[[0.2, 0.4], [0.4, 0.6], [0.1, 0.1]])
    sweep = draw(results).sweeps["lambda_cc"]
    np.testing.assert_allclose(sweep.mean["H"], [0.4, 0.1])
    np.testing.assert_allclose(sweep.standard_error["H"], [0.1, 0])


@pytest.fixture(scope="module")
def birds():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(size=(7, 4)))
    y = rng.integers(0, 6, size=90)
    return table.values[y] + rng.normal(scale=0.1, size=(90, 4)), y, table


CV = SeenUnseenKFold(2, random_state=0)
CLF = CVsCClassifier(max_epochs=1, random_state=0)


def test_searches(birds):
    X, y, table = birds
    values = {"lambda_cc": [0.0, 0.5, 30.0]}
    search = GridSearchCV(
        CLF,
        [values, {"lambda_sci": [0.0, 2.0]}],
        scoring=gzsl_multimetric_scorer,
        refit="T1",
        cv=CV,
    ).fit(X, y, class_attributes=table)
    display = draw(search, metrics=("U", "AUSUC"))
    cc, sci = display.sweeps["lambda_cc"], display.sweeps["lambda_sci"]
    results = search.cv_results_
    np.testing.assert_allclose(cc.mean["U"], results["mean_test_U"][:3])
    error = results["std_test_AUSUC"][:3]  # of two folds, with n in the denominator
    np.testing.assert_allclose(cc.standard_error["AUSUC"], error, atol=1e-12)
    # What a grid leaves alone is as in the estimator: lambda_sci = 2 stands there already.
    assert cc.others == {"lambda_sci": CLF.lambda_sci}
    assert sci.others == {"lambda_cc": CLF.lambda_cc}
    assert cc.best_by == sci.best_by == "T1"
    assert {"lambda_cc": cc.best, "lambda_sci": sci.best}.items() >= search.best_params_.items()


def test_single_metric_in_a_pipeline(birds):
    X, y, table = birds
    pipeline = make_pipeline(StandardScaler(), CLF)
    search = GridSearchCV(
        pipeline, {"cvscclassifier__lambda_cc": [0.0, 1.0]}, scoring=ausuc_scorer, cv=CV
    ).fit(X, y, cvscclassifier__class_attributes=table)
    display = draw(search)
    line = display.lines_["cvscclassifier__lambda_cc"]["score"]
    np.testing.assert_allclose(line.get_ydata(), search.cv_results_["mean_test_score"])
    assert line.get_label() == "AUSUC"
    assert display.axes_[0].get_xlabel() == r"$\lambda_{\mathrm{cc}}$"
    assert display.sweeps["cvscclassifier__lambda_cc"].best == search.best_params_.popitem()[1]
    named = draw(search, names={"score": "area", "cvscclassifier__lambda_cc": "weight"})
    assert named.axes_[0].get_xlabel() == "weight"
    assert texts(named.figure_.legends[0].get_texts()) == ["area", "chosen by area"]


def test_values_drawn_at_random(birds):
    X, y, table = birds
    search = RandomizedSearchCV(
        CLF,
        {"lambda_cc": [0.1, 0.2, 0.3, 0.4], "lambda_sci": [1, 2, 3, 4]},
        n_iter=3,
        scoring=ausuc_scorer,
        cv=CV,
        random_state=1,
    ).fit(X, y, class_attributes=table)
    assert len(set(search.cv_results_["param_lambda_cc"])) == 3
    with pytest.raises(
        ValueError, match="one value of 'lambda_.*' was tried at most.*others='best'"
    ):
        draw(search)
    sweep = draw(search, others="best").sweeps["lambda_cc"]
    order = np.argsort(search.cv_results_["param_lambda_cc"].data)
    np.testing.assert_allclose(sweep.mean["score"], search.cv_results_["mean_test_score"][order])


def test_choice_of_a_function(birds):
    X, y, table = birds
    search = GridSearchCV(
        CLF,
        {"lambda_cc": [0.0, 0.5, 1.0]},
        scoring=gzsl_multimetric_scorer,
        refit=lambda results: 2,
        cv=CV,
    ).fit(X, y, class_attributes=table)
    display = draw(search)
    assert display.sweeps["lambda_cc"].best == 1.0
    assert display.sweeps["lambda_cc"].best_by is None
    assert display.best_lines_["lambda_cc"].get_label() == "chosen"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": "F1"}, "metrics='F1', but the search measured 'T1', 'H', 'AUSUC'"),
        ({"metrics": []}, "measured"),
        ({"select_by": "score"}, "select_by='score'"),
        ({"params": "lambda_tci"}, "not a parameter of the search; .* 'clf__lambda_cc'"),
        ({"params": []}, "params is empty"),
        ({"others": "worst"}, "others must be"),
        ({"others": {"lambda_sci": 4}, "params": "lambda_cc"}, "4, but the search tried 2, 5"),
        ({"others": {"alpha": 4}, "params": "lambda_cc"}, "'alpha' is not a parameter"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        draw(grid(), **options)


def test_refusals_of_results(birds):
    alike = one_parameter([1, 1], score=[[0.1], [0.1]])
    with pytest.raises(ValueError, match="nor of any other parameter"):
        draw(alike)
    with pytest.raises(ValueError, match="has the value 1 in all settings"):
        draw(alike, params="lambda_cc")
    with pytest.raises(ValueError, match="with params= .*'alpha'"):
        draw(one_parameter([1, 2], "alpha", score=[[0.1], [0.1]]))
    with pytest.raises(ValueError, match="measured 'score' \\(\"score\" is"):
        draw(one_parameter([1, 2], score=[[0.1], [0.1]]), metrics="T1")
    with pytest.raises(ValueError, match="no scores of folds"):
        draw({"mean_test_score": [1.0]})
    with pytest.raises(TypeError, match="found list"):
        draw([1.0])
    with pytest.raises(TypeError, match="GridSearchCV has no cv_results_"):
        draw(GridSearchCV(CLF, {}))
    both = grid() | {"param_lambda_cc": np.ma.array([0, 1] * 3)}
    assert "lambda_cc" in draw(both, params="lambda_cc", others="mean").sweeps
    both["param_x__lambda_cc"] = both.pop("param_lambda_cc")
    with pytest.raises(ValueError, match="is the end of 'clf__lambda_cc', 'x__lambda_cc'"):
        draw(both, params="lambda_cc")


def test_axes_and_options():
    figure, axes = plt.subplots(1, 2)
    display = draw(grid(), axes=axes, color="red", lw=3)
    assert list(display.axes_) == list(axes)
    assert display.figure_ is figure
    assert not figure.legends
    assert texts(axes[0].get_legend().get_texts()) == ["T1", "H", "chosen by H"]
    line = display.lines_["clf__lambda_cc"]["H"]
    assert (line.get_color(), line.get_linewidth()) == ("red", 3)
    band = display.bands_["clf__lambda_cc"]["H"]
    np.testing.assert_allclose(band.get_facecolor()[0][:3], to_rgba("red")[:3])
    assert draw(grid()).lines_["clf__lambda_cc"]["H"].get_color() == PALETTE[1]
    with pytest.raises(ValueError, match="axes holds 1 axes for 2 parameters"):
        draw(grid(), axes=axes[0])
    with pytest.raises(ValueError, match="sweeps is empty"):
        LambdaSweepDisplay(sweeps={})


def test_made_by_hand():
    sweep = ParameterSweep(
        np.array([1.0, 2.0]), {"H": np.array([0.1, 0.2])}, {"H": np.zeros(2)}, 2.0, "H", {}, 0, 2
    )
    display = LambdaSweepDisplay(sweeps={f"lambda_{i}": sweep for i in range(5)}).plot()
    assert len(display.axes_) == len(display.figure_.axes) == 5
    assert display.axes_[4].get_xlabel() == r"$\lambda_{\mathrm{4}}$"
    one = ParameterSweep(
        np.array([0.5]), {"H": np.array([0.1])}, {"H": np.zeros(1)}, None, None, "mean", 0, 1
    )
    display = LambdaSweepDisplay(sweeps={"lambda_cc": one}).plot()
    assert texts(display.axes_[0].get_xticklabels()) == ["0.5"]
    assert display.axes_[0].get_title() == "others: mean over all"
