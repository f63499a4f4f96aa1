"""Trained estimators in plain values and tensors, from which they can be made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn._training._device import resolve_device
from zslearn._training._learner import Learner, learned_state
from zslearn._training._net import LearnerNet
from zslearn._training._prediction import BatchedPrediction, device_of
from zslearn._training._randomness import seeded

__all__ = ["SavedStateMixin"]


_STATE = {
    "seed": int,
    "steps": int,
    "term_names": list,
    "precision": torch.dtype,
    "history": list,
    "weights": dict,
}


class SavedStateMixin(BatchedPrediction):
    """What `zslearn.save` takes of a trained estimator besides its parameters, and the way back.

    The learner is made again from the parameters and the class table, and given what it learned.
    The state of the optimiser is left out.
    """

    # Fitted attributes that a learner cannot be made again without.
    _state_needs: ClassVar[dict[str, type]] = {"n_features_in_": int, "_fitted_on_vectors": bool}

    get_params: Callable[..., dict[str, Any]]
    device: str | torch.device
    _make_net: Callable[[DescribedClasses, int, torch.device], LearnerNet]
    _learner_params: Callable[[DescribedClasses], dict[str, Any]]

    def _get_saved_state(self) -> dict[str, Any]:
        """Return all that was fitted, in plain values and tensors."""
        own = {*self.get_params(deep=False), "net_"}
        state = {k: v for k, v in vars(self).items() if k not in own}
        if not hasattr(self, "net_"):
            return state
        self._check_makes_the_same()
        if "validation_history_" in state:
            state["validation_history_"] = list(state["validation_history_"])
        net = self.net_
        state["net_"] = {
            "seed": net.seed,
            "steps": net.steps_,
            "term_names": list(net.term_names_),
            "precision": net.precision,
            "history": list(net.history),
            "weights": {k: v.cpu() for k, v in learned_state(net.module_).items()},
        }
        return state

    def _set_saved_state(self, state: dict[str, Any]) -> None:
        """Become fitted with what `_get_saved_state` returned."""
        state = dict(state)
        saved = state.pop("net_", None)
        self.__dict__.update(state)
        if saved is None:
            return
        kinds = {name: type(value) for name, value in saved.items()}
        if kinds != _STATE or any(type(name) is not str for name in saved["term_names"]):
            raise ValueError(f"a net has the state {_STATE}, found {kinds}")
        if any(type(state.get(name)) is not kind for name, kind in self._state_needs.items()):
            raise ValueError("the width of features or their kind is not in the state")
        net = self._make_net(self._fitted_classes(), saved["seed"], resolve_device(self.device))
        found, needed = _form(saved["weights"]), _form(learned_state(net.module_))
        if found != needed:
            wrong = sorted({name for name, _ in found.items() ^ needed.items()})
            raise ValueError(f"the weights do not fit the parameters and the table: {wrong[:5]}")
        net.module_.load_state_dict(saved["weights"], strict=False)
        net.steps_, net.term_names_ = saved["steps"], saved["term_names"]
        net.precision = saved["precision"]
        net.history.extend(saved["history"])
        if "validation_history_" in state:
            self.validation_history_ = type(net.history)(state["validation_history_"])
        self.net_ = net

    def _fitted_classes(self) -> DescribedClasses:
        table = self.class_attributes_
        return DescribedClasses(table, np.isin(table.labels, self.seen_classes_))

    def _check_makes_the_same(self) -> None:
        """Raise if parameters were changed after fit, so that the learner would be another one."""
        learner, device = self.net_.module_, device_of(self.net_)
        params = self._learner_params(self._fitted_classes())
        with seeded(self.net_.seed, device):
            again = self._learner_type(n_features=self._width, **params).to(device)
            X = torch.randn(2, 1 if self._fitted_on_vectors else 2, self._width)
        message = (
            f"Parameters of {type(self).__name__} were changed after fit, and with them the saved "
            "weights would give other scores. Fit it again, or set them back."
        )
        learned = learned_state(learner)
        if _form(learned) != _form(learned_state(again)):
            raise ValueError(message)
        again.load_state_dict(learned, strict=False)
        table = self._table_values(self.class_attributes_, device)

        def scores_of(one: Learner) -> Tensor:
            with torch.inference_mode(), seeded(0, device):
                return one.eval().class_scores(X.to(device), table)

        try:
            scores = scores_of(learner)
        except Exception:  # not for features of this shape: there is nothing to try it on
            return
        if not torch.equal(scores_of(again), scores):
            raise ValueError(message)


def _form(weights: dict[str, Tensor]) -> dict[str, Any]:
    return {name: (tuple(value.shape), value.dtype) for name, value in weights.items()}
