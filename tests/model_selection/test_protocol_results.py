"""Tables, intervals and ranks of given runs, by hand."""

import numpy as np
import pytest
from scipy.stats import t as student

from zslearn.metrics import bootstrap_interval
from zslearn.model_selection import ProtocolResults
from zslearn.model_selection._protocol_statistics import class_interval


def run(method, split, value, *, seed=0, data="zoo", classes=None, **scores):
    values = dict.fromkeys(("T1", "U", "S", "H", "H_hindsight", "AUSUC"), value) | scores
    names = {"data": data, "classes": "seen", "split": split, "seed": seed, "method": method}
    classes = classes or accuracies(["a", "b"], [True, False], [value, value], [value])
    seconds = {"choose": 3.0, "fit": 0.5, "predict": 0.1}
    return names | {"scores": values, "accuracies": classes, "seconds": seconds, "error": None}


OLD, NEW = [0.50, 0.30, 0.40, 0.60], [0.58, 0.42, 0.44, 0.68]


@pytest.fixture
def results():
    return ProtocolResults(
        [run("old", s, v) for s, v in enumerate(OLD)]
        + [run("new", s, v + e, seed=seed) for seed, e in ((0, -0.02), (1, 0.02))
           for s, v in enumerate(NEW)]
    )  # fmt: skip


def test_table(results):
    old, new = results.table()
    assert (old["method"], old["splits"], old["seeds"]) == ("old", 4, 1)
    assert (new["method"], new["splits"], new["seeds"]) == ("new", 4, 2)
    assert new["T1"] == pytest.approx(0.53, rel=1e-12)
    assert new["T1_std"] == pytest.approx(np.std(NEW, ddof=1), rel=1e-12)
    assert (old["fit"], old["choose"]) == (0.5, 3.0)
    assert np.isnan(old["semantic_error"])
    assert np.isnan(old["peak_mib"])


def test_paired_interval_by_hand(results):
    (found,) = results.differences("old", metric="H")
    d = np.array([0.08, 0.12, 0.04, 0.08])
    # Mean .08, standard deviation sqrt(.0032 / 3), four splits, t = 3.18245 with 3 of freedom.
    half = 3.182446305284263 * np.sqrt(0.0032 / 3) / 2
    assert (found.data, found.method, found.metric, found.n_splits) == ("zoo", "new", "H", 4)
    assert found.estimate == pytest.approx(d.mean(), rel=1e-12)
    assert (found.low, found.high) == pytest.approx((0.08 - half, 0.08 + half), rel=1e-9)


def test_a_single_split_has_no_interval():
    results = ProtocolResults([run("old", 0, 0.5), run("new", 0, 0.6)])
    found = results.differences("old")[0]
    assert found.estimate == pytest.approx(0.1)
    assert np.isnan([found.low, found.high]).all()
    assert "(nan" not in results.to_markdown("old")


def test_all_data_sets_together(results):
    """Welch: each set counts the same, with its own variance and number of splits."""
    other = [0.10, 0.16, 0.13]
    more = ProtocolResults(
        [run("old", s, 0.2, data="farm") for s in range(3)]
        + [run("new", s, 0.2 + v, data="farm") for s, v in enumerate(other)]
    )
    found = {d.data: d for d in (results + more).differences("old")}
    assert set(found) == {"zoo", "farm", None}
    parts = np.array([0.0032 / 3 / 4, np.var(other, ddof=1) / 3]) / 4
    freedom = parts.sum() ** 2 / (parts[0] ** 2 / 3 + parts[1] ** 2 / 2)
    half = student.ppf(0.975, freedom) * np.sqrt(parts.sum())
    pooled = found[None]
    assert pooled.n_splits == 7
    assert pooled.estimate == pytest.approx((0.08 + 0.13) / 2, rel=1e-12)
    assert pooled.high - pooled.estimate == pytest.approx(half, rel=1e-9)


def accuracies(labels, unseen, accuracy, t1):
    return {"labels": labels, "unseen": unseen, "accuracy": accuracy, "T1": t1}


def test_interval_over_classes_is_that_of_bootstrap_interval():
    """On one split with all classes unseen but one; against zslearn.metrics, by the same means."""
    rng = np.random.default_rng(0)
    n = 40
    labels = list(range(n + 1))
    unseen = [True] * n + [False]
    mine, other = rng.random(n), rng.random(n)
    runs = [
        run(name, 0, 0.5, classes=accuracies(labels, unseen, [*values, 0.5], values.tolist()))
        for name, values in (("new", mine), ("old", other))
    ]
    found = ProtocolResults(runs).differences(
        "old", metric="T1", over="classes", n_resamples=20000
    )[0]

    def mean(y_true, y_pred, *, class_weight):
        weights = np.array([class_weight[label] for label in y_true])
        return weights @ y_pred / weights.sum()

    expected = bootstrap_interval(
        mean, labels[:n], mine, y_pred_other=other, n_resamples=2000, random_state=0
    )
    assert found.estimate == pytest.approx(expected.estimate, rel=1e-12)
    assert found.low == pytest.approx(expected.low, abs=0.25 * expected.standard_error)
    assert found.high == pytest.approx(expected.high, abs=0.25 * expected.standard_error)


def test_classes_are_drawn_alike_in_all_splits():
    """Two equal splits say no more than one: splits of the same classes do not narrow it."""
    rng = np.random.default_rng(1)
    labels, unseen = list("abcdefghij"), [True] * 5 + [False] * 5
    pair = tuple(
        [accuracies(labels, unseen, rng.random(10).tolist(), rng.random(5).tolist())]
        for _ in range(2)
    )
    for metric in ("T1", "U", "S", "H"):
        one, two = (
            class_interval([[pair] * n], metric, 0.95, 500, np.random.RandomState(0))
            for n in (1, 2)
        )
        assert one == pytest.approx(two, rel=1e-12), metric


def test_harmonic_mean_over_classes_by_hand():
    labels, unseen = ["a", "b", "c"], [True, False, False]
    mine = [accuracies(labels, unseen, [0.6, 0.4, 0.8], [0.9])]
    none = [accuracies(labels, unseen, [0.0, 0.0, 0.0], [0.0])]
    estimate, *_ = class_interval([[(mine, none)]], "H", 0.9, 50, np.random.RandomState(0))
    assert estimate == pytest.approx(0.6, rel=1e-12)  # of U = .6 and S = .6; and of 0 and 0, 0


def test_other_metrics_have_no_interval_over_classes(results):
    with pytest.raises(ValueError, match="no interval of AUSUC"):
        results.differences("old", over="classes")


def test_ranks_by_hand():
    """Ranks of four methods on six splits, with a tie; Friedman's statistic from its formula."""
    scores = {
        "a": [0.9, 0.8, 0.9, 0.7, 0.8, 0.9],
        "b": [0.8, 0.8, 0.7, 0.6, 0.7, 0.8],
        "c": [0.7, 0.6, 0.8, 0.5, 0.6, 0.7],
        "d": [0.6, 0.5, 0.6, 0.8, 0.5, 0.6],
    }
    runs = [run(m, s, v) for m, values in scores.items() for s, v in enumerate(values)]
    found = ProtocolResults(runs).ranks(metric="T1")
    expected = {
        "a": (1 + 1.5 + 1 + 2 + 1 + 1) / 6,
        "b": (2 + 1.5 + 3 + 3 + 2 + 2) / 6,
        "c": (3 + 3 + 2 + 4 + 3 + 3) / 6,
        "d": (4 + 4 + 4 + 1 + 4 + 4) / 6,
    }
    assert found.methods == ("a", "b", "c", "d")
    assert found.ranks == pytest.approx(list(expected.values()), rel=1e-12)
    # Demsar's Table 5(a): q = 2.569 for four methods; sqrt(4 * 5 / (6 * 6)).
    assert found.critical_difference == pytest.approx(2.569 * np.sqrt(20 / 36), rel=2e-4)
    mean = np.array(list(expected.values()))
    plain = 12 * 6 / 20 * (np.sum(mean**2) - 4 * 25 / 4)
    correction = 1 - (2**3 - 2) / (6 * (4**3 - 4))  # one tie of two
    assert found.statistic == pytest.approx(plain / correction, rel=1e-9)
    assert (found.n_blocks, found.alpha) == (6, 0.05)


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (6, 2.850), (10, 3.164)])
def test_critical_values_of_nemenyi(k, q):
    """Those of the table in Demsar (2006)."""
    runs = [run(f"m{m}", s, m / 10) for m in range(k) for s in range(4)]
    found = ProtocolResults(runs).ranks()
    assert found.critical_difference == pytest.approx(q * np.sqrt(k * (k + 1) / 24), rel=5e-4)
    assert found.ranks.tolist() == list(range(1, k + 1))


def test_smaller_semantic_errors_rank_first():
    runs = [run("a", s, 0.5, semantic_error=0.1) for s in range(2)]
    runs += [run("b", s, 0.6, semantic_error=0.2) for s in range(2)]
    results = ProtocolResults([*runs, *(run("none", s, 0.6) for s in range(2))])
    assert results.ranks(metric="semantic_error", methods=["b", "a"]).methods == ("a", "b")
    with pytest.raises(ValueError, match="not known of .none."):
        results.ranks(metric="semantic_error")
    assert [d.method for d in results.differences("a", metric="semantic_error")] == ["b"]


def test_only_splits_with_all_methods_are_ranked(results):
    more = results + ProtocolResults([run("third", 1, 0.9)])
    assert more.ranks().n_blocks == 1
    assert more.ranks(methods=["old", "new"]).n_blocks == 4
    apart = results + ProtocolResults([run("third", 9, 0.9)])
    with pytest.raises(ValueError, match="no split on which all of"):
        apart.ranks()
    assert "No ranks" in apart.to_markdown()
    with pytest.raises(ValueError, match="at least two"):
        results.ranks(methods=["old"])


def test_the_last_of_several_lines_counts():
    results = ProtocolResults([run("old", 0, 0.1), run("old", 0, 0.7)])
    assert [one["scores"]["T1"] for one in results.runs] == [0.7]


def test_choosing_methods_and_data(results):
    assert results.only(methods=["new"]).methods == ["new"]
    assert results.only(data=["farm"]).runs == []
    with pytest.raises(ValueError, match="'newer' has no results; there are those of old, new"):
        results.differences("newer")


def test_markdown(results):
    text = results.to_markdown("old", metric="T1")
    lines = text.splitlines()
    assert lines[0] == "**zoo**"
    assert lines[4].startswith("| new | 4 × 2 | .530 ± .123 |")
    assert lines[5].startswith("| old | 4 × 1 | .450 ± .129 |")
    assert "semantic error" not in text  # nobody has one
    assert "+.080 (+.028 to +.132)" in text
    assert "new 1.00, old 2.00" in text
    assert {line.count("|") for line in lines[2:6]} == {lines[2].count("|")}


def test_ways_of_splitting_are_not_mixed():
    published = run("old", 0, 0.9) | {"classes": "proposed"}
    both = ProtocolResults([run("old", 0, 0.5), run("old", 1, 0.7), published])
    assert both.datasets == ["zoo (seen)", "zoo (proposed)"]
    assert [row["T1"] for row in both.table()] == pytest.approx([0.6, 0.9])
