"""Learning rates of a backbone beside those of the rest."""

from __future__ import annotations

from typing import Any

from zslearn._training._optimizers import LearningRate
from zslearn._training._schedules import Schedule

__all__ = ["BackboneRates"]


class BackboneRates(LearningRate):
    """Rates of a run, of which those of the backbone have a schedule of their own.

    Parameters
    ----------
    begin, warmup : float
        Shares of the steps before the backbone is trained, and over which its rate rises then.
    own : str or StepSchedule
        Its schedule from there on.
    first : int, default=0
        Steps that were made in runs before.
    """

    def __init__(
        self,
        schedule: Schedule,
        n_steps: int,
        ratio: float,
        *,
        begin: float,
        warmup: float,
        own: Schedule,
        first: int = 0,
    ) -> None:
        super().__init__(schedule, n_steps, ratio)
        self.begin, self.warmup, self.step = begin, warmup, first
        self.own = LearningRate(own, n_steps)

    def factor_of(self, group: dict[str, Any], done: float) -> float:
        """Share of a group's initial rate when a share `done` of the steps has been made."""
        if not group.get("of_backbone"):
            return self.factor(done)
        since = done - self.begin
        if since < 0.0:
            return 0.0
        if since < self.warmup:
            share = min(1.0, (since + 1 / self.n_steps) / self.warmup)
        else:
            rest = max(1 / self.n_steps, 1.0 - self.begin - self.warmup)
            share = self.own.factor((since - self.warmup) / rest)
        return share / self.ratio
