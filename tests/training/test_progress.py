"""scikit-learn's callbacks see fits as tasks and epochs as their subtasks."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from zslearn import CVsCClassifier
from zslearn._training import _progress
from zslearn.exceptions import TrainingInterruptedWarning
from zslearn.model_selection import HeldOutStopping

pytest.importorskip("sklearn.callback")


class Watch:
    """A callback that notes the names of the tasks it is told of, and may stop after an epoch."""

    max_propagation_depth = None

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.events = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name, context.task_id, context.max_subtasks))

    def on_fit_task_end(self, estimator, context):
        self.events.append(("end", context.task_name, context.task_id))
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 6)), np.arange(40) % 4


def make(**params):
    return CVsCClassifier(**{"max_epochs": 3, "random_state": 0} | params)


def test_epochs_are_subtasks(data):
    watch = Watch()
    clf = make().set_callbacks(watch).fit(*data)
    epochs = [(kind, "epoch", i) for i in range(3) for kind in ("begin", "end")]
    seen = [event[:3] for event in watch.events[1:-1]]
    assert watch.events[0] == "setup"
    assert watch.events[-1] == "teardown"
    assert seen == [("begin", "fit", 0), *epochs, ("end", "fit", 0)]
    assert watch.events[1][3] == 3
    plain = make().fit(*data)
    np.testing.assert_array_equal(clf.decision_function(data[0]), plain.decision_function(data[0]))


def test_a_callback_may_stop_training(data):
    clf = make(max_epochs=9).set_callbacks(Watch(stop_after=2)).fit(*data)
    assert len(clf.net_.history) == 2


def test_torn_down_when_a_fit_fails(data):
    watch = Watch()
    X = data[0].copy()
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        make().set_callbacks(watch).fit(X, data[1])
    assert watch.events[-1] == "teardown"


def test_searches_and_pipelines_pass_callbacks_down(data):
    watch = Watch()
    pipe = make_pipeline(StandardScaler(), make(max_epochs=2))
    search = GridSearchCV(pipe, {"cvscclassifier__lambda_tci": [0.0, 2.0]}, cv=2)
    search.set_callbacks(watch).fit(*data)
    names = [event[1] for event in watch.events if event[0] == "begin"]
    assert names.count("epoch") == 2 * (2 * 2 + 1)  # candidates x folds, and the refit


def test_early_stopping_counts_both_trainings(data):
    watch = Watch()
    clf = make(early_stopping=HeldOutStopping(n_iter_no_change=1), max_epochs=4).set_callbacks(
        watch
    )
    clf.fit(*data)
    epochs = sum(event[:2] == ("begin", "epoch") for event in watch.events)
    assert watch.events[1][3] == 8
    assert epochs == len(clf.validation_scores_) + clf.best_epoch_


def test_fitted_estimators_do_not_hold_the_task(data):
    import pickle

    clf = make().set_callbacks(Watch()).fit(*data)
    assert "epoch_tasks" not in dict(clf.net_.callbacks_)
    again = pickle.loads(pickle.dumps(clf.set_callbacks()))
    np.testing.assert_array_equal(again.predict(data[0]), clf.predict(data[0]))


class Interrupt(Callback):
    """Ctrl-C in the second epoch."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_an_interrupt_ends_a_whole_search(data):
    """Alone, a fit keeps what it has; in a search, going on would not be what was meant."""
    clf = make(callbacks=[Interrupt()])
    with pytest.warns(TrainingInterruptedWarning):
        clf.fit(*data)
    for estimator, name in [(clf, "delta"), (make_pipeline(clf), "cvscclassifier__delta")]:
        search = GridSearchCV(estimator, {name: [0.0, 1.0]}, cv=2)
        with pytest.raises(KeyboardInterrupt):
            search.fit(*data)
    with pytest.warns(TrainingInterruptedWarning):
        make_pipeline(clf).fit(*data)


def test_plain_bar(data, capsys):
    make(verbose=2).fit(*data)
    printed = capsys.readouterr()
    assert "CVsCClassifier: 100%" in printed.err
    assert "3/3" in printed.err
    assert "tci=" in printed.err
    assert printed.out == ""  # no table besides


def test_nothing_happens_without_support(data):
    """As with a scikit-learn that has no callbacks."""

    class Old:
        pass

    task = _progress.FitTask(Old(), 3, *data)
    callback = task.epochs()
    callback.on_epoch_begin(net=None)
    callback.on_epoch_end(net=None)
    task.end()
    assert task.context is None
