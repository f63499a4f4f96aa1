"""What a pipeline of scikit-learn is given for ``score`` has an effect, or is refused."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from zslearn import ClassAttributes, ESZSLClassifier
from zslearn.calibration import FixedCalibrationClassifier
from zslearn.metrics import per_class_accuracy_score
from zslearn.model_selection import SeenUnseenKFold


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.random((6, 5)), labels=list("abcdef"))
    targets = np.arange(60) % 6
    X = table.values[targets] @ rng.normal(size=(5, 8)) + 0.05 * rng.normal(size=(60, 8))
    return X, table.labels[targets], table, targets < 4


CLASSIFIERS = [ESZSLClassifier(), FixedCalibrationClassifier(ESZSLClassifier(), delta=-9.0)]


def fitted(problem, classifier, routing=False):
    X, y, table, seen = problem
    pipeline = Pipeline([("scale", StandardScaler()), ("zsl", classifier)])
    key = "class_attributes" if routing else "zsl__class_attributes"
    return pipeline.fit(X[seen], y[seen], **{key: table})


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("name", ["candidates", "zsl__candidates", "candidate"])
def test_without_routing_they_are_refused(problem, classifier, name):
    X, y, _, seen = problem
    pipeline = fitted(problem, classifier)
    with pytest.raises(ValueError, match=f"Pipeline.score was given {name}, which scikit-learn"):
        pipeline.score(X[~seen], y[~seen], **{name: "unseen"})
    nested = make_pipeline("passthrough", pipeline)
    with pytest.raises(ValueError, match=f"was given {name}"):
        nested.score(X[~seen], y[~seen], **{name: "unseen"})


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_with_routing_they_arrive(problem, classifier):
    X, y, _, seen = problem
    with config_context(enable_metadata_routing=True):
        pipeline = fitted(problem, classifier, routing=True)
        conventional = pipeline.score(X[~seen], y[~seen], candidates="unseen")
        generalised = pipeline.score(X[~seen], y[~seen])
    y_pred = pipeline.predict(X[~seen], candidates="unseen")
    assert conventional == per_class_accuracy_score(y[~seen], y_pred) > generalised


def test_what_is_not_dropped_is_not_refused(problem):
    X, y, table, seen = problem
    for classifier in CLASSIFIERS:
        pipeline = fitted(problem, classifier)
        weight = np.linspace(1, 2, len(y))
        expected = per_class_accuracy_score(y, pipeline.predict(X), sample_weight=weight)
        assert pipeline.score(X, y, sample_weight=weight) == expected
        last = pipeline[-1].score(pipeline[:-1].transform(X), y, candidates="seen")
        assert last == per_class_accuracy_score(y, pipeline.predict(X, candidates="seen"))
    search = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("zsl", ESZSLClassifier())]),
        {"zsl__delta": [0.0, 1.0]},
        cv=SeenUnseenKFold(2, random_state=0),
        error_score="raise",
    )
    search.fit(X[seen], y[seen], zsl__class_attributes=table)
    assert 0 <= search.score(X, y) <= 1


def test_nobody_else_is_taken_for_a_pipeline(problem):
    X, y, _, _ = problem

    class Params:
        def score(self, params):
            return params["clf"].score(X, y)

    pipeline = fitted(problem, ESZSLClassifier())
    assert Params().score({"clf": pipeline}) == pipeline.score(X, y)
