"""A training that was killed goes on, to the same end as one that was not."""

import multiprocessing
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.finetuning.problems import TABLE, fine_tuned, fit, pictures
from zslearn._training._callbacks import TrainingCallback
from zslearn.finetuning._checkpoints import mark_of, mark_of_params
from zslearn.finetuning._weight_average import WeightAverage
from zslearn.model_selection import HeldOutStopping

SETTINGS = {
    "freeze_epochs": 2,
    "augmentation": "crop",
    "average_decay": 0.8,
    "warmup_epochs": 1,
    "layer_decay": 0.9,
}


class Watch(TrainingCallback):
    """Count the epochs that are begun, and stop in the middle of one."""

    def __init__(self, stop_at=None, error=RuntimeError):
        self.stop_at, self.error, self.epochs = stop_at, error, []

    def on_epoch_begin(self, net, **kwargs):
        self.epochs.append(len(net.history))

    def on_batch_end(self, net, training=False, **kwargs):
        if len(net.history) == self.stop_at and len(net.history[-1]["batches"]) == 2:
            raise self.error


class Kill(Watch):
    """End the process in the middle of the fourth epoch, as a machine does."""

    def on_batch_end(self, net, training=False, **kwargs):
        if len(net.history) == 4 and len(net.history[-1]["batches"]) == 2:
            os.kill(os.getpid(), signal.SIGKILL)


def estimator(folder=None, **params):
    return fine_tuned(finetuning={**SETTINGS, "checkpoint": folder}, max_epochs=5, **params)


def watched(folder, *stop, **params):
    watch = Watch(*stop)
    return watch, estimator(str(folder), **params).set_params(classifier__callbacks=[watch])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no way to a child of the same state")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_killed_and_resumed(tmp_path):
    X, _ = pictures()
    doomed = estimator(str(tmp_path / "saved")).set_params(classifier__callbacks=[Kill()])
    child = multiprocessing.get_context("fork").Process(target=fit, args=(doomed,))
    child.start()
    child.join(timeout=300)
    assert child.exitcode == -signal.SIGKILL
    assert len(list((tmp_path / "saved").glob("*.safetensors"))) == 1
    watch, resumed = watched(tmp_path / "saved")
    fit(resumed)
    assert watch.epochs == [4, 5]
    whole = fit(estimator())
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    assert resumed.net_.history[:, "train_loss"] == whole.net_.history[:, "train_loss"]
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("stopped", [2, 3])
def test_stopped_in_either_phase(tmp_path, stopped):
    X, _ = pictures()
    params = {"optimizer": "sgd", "optimizer_params": {"momentum": 0.9}}
    _, broken = watched(tmp_path, stopped, **params)
    with pytest.raises(RuntimeError):
        fit(broken)
    watch, resumed = watched(tmp_path, **params)
    fit(resumed)
    assert watch.epochs == list(range(stopped, 6))
    np.testing.assert_array_equal(
        resumed.predict_proba(X), fit(estimator(**params)).predict_proba(X)
    )


def test_early_stopping_resumes_with_its_scores(tmp_path):
    X, _ = pictures()
    stopping = HeldOutStopping(n_iter_no_change=5, validation_fraction=0.3)
    whole = fit(estimator(early_stopping=stopping))
    assert whole.best_epoch_ >= 1
    # Both trainings are finished, and what follows is not.
    _, broken = watched(tmp_path, None, early_stopping=stopping)
    broken._after_training = None
    with pytest.raises(TypeError):
        fit(broken)
    watch, resumed = watched(tmp_path, early_stopping=stopping)
    fit(resumed)
    assert watch.epochs == []
    assert resumed.validation_scores_ == whole.validation_scores_
    assert resumed.best_epoch_ == whole.best_epoch_
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))


def test_an_interrupt_keeps_what_was_saved(tmp_path):
    _, clf = watched(tmp_path, 4, KeyboardInterrupt)
    with pytest.warns(UserWarning, match="interrupted after 3 of 5 epochs"):
        fit(clf)
    watch, again = watched(tmp_path)
    fit(again)
    assert watch.epochs == [4, 5]


@pytest.mark.parametrize(
    "change", [{"learning_rate": 1e-4}, {"random_state": 1}, {"lambda_cal": 0.1}]
)
def test_other_parameters_begin_anew(tmp_path, change):
    _, broken = watched(tmp_path, 4)
    with pytest.raises(RuntimeError):
        fit(broken)
    watch, other = watched(tmp_path, 1, **change)
    with pytest.raises(RuntimeError):
        fit(other)
    assert watch.epochs == [1]


def test_marks():
    one, other = fine_tuned(), fine_tuned(finetuning={"checkpoint": "x"}, verbose=1)
    same = mark_of_params(one.set_params(finetuning=fine_tuned(finetuning={}).finetuning))
    assert same == mark_of_params(other)
    assert mark_of("a", "b") != mark_of("ab")
    assert mark_of(np.array(["a", "b"], object)) == mark_of(np.array(["a", "b"], object))
    assert mark_of(np.array([1, 2])) != mark_of(np.array([1.0, 2.0]))


def test_a_seed_is_needed(tmp_path):
    with pytest.raises(ValueError, match="random_state"):
        fit(estimator(str(tmp_path), random_state=None))


def test_part_by_part_nothing_is_left_behind(tmp_path):
    X, y = pictures()
    clf = fine_tuned(finetuning={"checkpoint": str(tmp_path / "saved")})
    clf.partial_fit(X, y, class_attributes=TABLE)
    assert not (tmp_path / "saved").exists()


def test_a_training_that_goes_on_resumes_without_the_epochs_before(tmp_path):
    given = {"finetuning": {"checkpoint": str(tmp_path / "saved")}, "warm_start": True}
    clf = fit(fine_tuned(**given))
    watch = Watch(4)
    with pytest.raises(RuntimeError):
        fit(clf.set_params(classifier__callbacks=[watch]))
    again = Watch()
    fit(clf.set_params(classifier__callbacks=[again]))
    assert (watch.epochs, again.epochs) == ([3, 4], [4])
    assert clf.n_iter_ == 4


def test_a_training_goes_on_from_its_own_weights_alone(tmp_path):
    given = {"finetuning": {"checkpoint": str(tmp_path / "saved")}, "warm_start": True}
    first = fit(fine_tuned(**given))
    with pytest.raises(RuntimeError):
        fit(first.set_params(classifier__callbacks=[Watch(4)]))
    X, y = pictures(seed=1)
    other = fine_tuned(**given)
    other.fit(X, y, class_attributes=TABLE)
    watch = Watch()
    fit(other.set_params(classifier__callbacks=[watch]))
    assert watch.epochs == [3, 4]


def test_averages_count_steps_not_batches():
    weight = torch.nn.Parameter(torch.zeros(1))
    net = SimpleNamespace(
        optimizers_={"main": torch.optim.SGD([weight], lr=1.0)}, accumulate=2, place_=(0, 3)
    )
    average = WeightAverage(0.05)
    average.on_train_begin(net)
    for place, reached in enumerate([0.0, 1.0, 3.0]):  # steps end the second and the last batch
        net.place_ = place, 3
        weight.data.fill_(reached)
        average.on_batch_end(net, training=True)
    assert average.n_steps == 2
    assert average.values[0].item() == pytest.approx(0.05 * 0.95 + 0.95 * 3, rel=1e-6)
