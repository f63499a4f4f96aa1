"""The objective of CVsC, Eq. 12: cross entropy, calibration and the three causal terms."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from zslearn.nn.losses._calibration import CalibrationLoss
from zslearn.nn.losses._conditional_correlation import ConditionalCorrelationLoss
from zslearn.nn.losses._means import mean_cross_entropy
from zslearn.nn.losses._semantic_intervention import SemanticInterventionLoss
from zslearn.nn.losses._standardize import Standardized
from zslearn.nn.losses._target_intervention import TargetInterventionLoss

__all__ = ["CVsCLoss"]


class CVsCLoss(nn.Module):
    r"""Weighted sum of the terms of CVsC, each reported by name.

    .. math::

        L = \lambda_{ce} CE(z, y) + \lambda_{cal} L_{cal} + \lambda_{cc} L_{cc}
        + \lambda_{sci} L_{sci} + \lambda_{tci} L_{tci}

    A term whose weight is zero is not computed. Without an unseen class there is no calibration
    loss.

    Parameters
    ----------
    class_attributes : Tensor of shape (C, K)
        The class attribute table T that s is compared with, kept as a buffer.
    unseen : Tensor of shape (C,), bool
        Marks the unseen classes.
    lambda_ce : float, default=3.0
        Weight of the cross entropy; 3 in the authors' released code, 1 in the paper.
    lambda_cal : float, default=0.4
        Weight of the calibration loss; that of the released code, the paper gives none.
    lambda_cc, lambda_sci, lambda_tci : float, default=0.5, 2.0, 2.0
        Weights of the causal terms; the defaults are the paper's.
    alpha : float, default=0.5
        See :class:`ConditionalCorrelationLoss`.
    calibration_bias : float, default=0.0
        See :class:`CalibrationLoss`.
    standardize : bool, default=True
        Whether correlation and semantic intervention compare batch-standardised values.
    correlation_norm : {"mean_squared", "squared", "l2"}, default="mean_squared"
    spread : {"variance", "std"} or None, default="variance"
    spread_norm : {"absolute", "squared"}, default="absolute"
    spread_over : {"batch", "image"}, default="batch"
    intervention_norm : {"mean_absolute", "squared", "l2"}, default="mean_absolute"
    effect_weight : float, default=0.0
        Choices within the terms: see :class:`CalibrationLoss`,
        :class:`ConditionalCorrelationLoss` and :class:`SemanticInterventionLoss`.

    See Also
    --------
    CVsCNetwork : Computes what it compares.
    zslearn.CVsCClassifier : Both behind the scikit-learn API.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import CVsCLoss, CVsCNetwork
    >>> table = torch.eye(4)
    >>> network = CVsCNetwork(table, n_features=8)
    >>> criterion = CVsCLoss(table, unseen=torch.tensor([False, False, False, True]))
    >>> terms = criterion(network(torch.randn(2, 9, 8)), torch.tensor([0, 1]))
    >>> list(terms)
    ['loss', 'ce', 'cal', 'cc', 'sci', 'tci']
    """

    class_attributes: Tensor
    unseen: Tensor

    def __init__(
        self,
        class_attributes: Tensor,
        unseen: Tensor,
        *,
        lambda_ce: float = 3.0,
        lambda_cal: float = 0.4,
        lambda_cc: float = 0.5,
        lambda_sci: float = 2.0,
        lambda_tci: float = 2.0,
        alpha: float = 0.5,
        calibration_bias: float = 0.0,
        standardize: bool = True,
        correlation_norm: Literal["mean_squared", "squared", "l2"] = "mean_squared",
        spread: Literal["variance", "std"] | None = "variance",
        spread_norm: Literal["absolute", "squared"] = "absolute",
        spread_over: Literal["batch", "image"] = "batch",
        intervention_norm: Literal["mean_absolute", "squared", "l2"] = "mean_absolute",
        effect_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("class_attributes", class_attributes)
        self.register_buffer("unseen", unseen)
        self.has_unseen = bool(unseen.any())
        self.weights = {
            "ce": lambda_ce,
            "cal": lambda_cal,
            "cc": lambda_cc,
            "sci": lambda_sci,
            "tci": lambda_tci,
        }
        self.calibration = CalibrationLoss(calibration_bias)
        self.correlation = ConditionalCorrelationLoss(
            alpha,
            standardize=standardize,
            norm=correlation_norm,
            spread=spread,
            spread_norm=spread_norm,
            spread_over=spread_over,
        )
        self.semantic_intervention = SemanticInterventionLoss(
            standardize=standardize, norm=intervention_norm, effect_weight=effect_weight
        )
        self.target_intervention = TargetInterventionLoss()

    def set_unseen(self, unseen: Tensor) -> None:
        """Replace the mark of unseen classes, as when pictures of further classes arrive.

        Parameters
        ----------
        unseen : Tensor of shape (C,), bool
            Marks the unseen classes.
        """
        self.unseen.copy_(unseen)
        self.has_unseen = bool(unseen.any())

    @property
    def needs_counterfactual(self) -> bool:
        """Whether a term with a weight compares with the counterfactual."""
        return bool(self.weights["sci"] or self.weights["tci"])

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms that are computed, those of non-zero weight; an error if none is."""
        names = tuple(
            name
            for name, weight in self.weights.items()
            if weight and (name != "cal" or self.has_unseen)
        )
        if not names:
            raise ValueError(
                "no loss term is left to minimise: lambda_ce, lambda_cc, lambda_sci and lambda_tci "
                "are 0, and lambda_cal is 0 or no class is unseen"
            )
        return names

    def forward(
        self,
        output: tuple[Tensor, Tensor, Tensor | None, Tensor | None],
        y: Tensor,
        sample_weight: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the weighted sum and its terms.

        Parameters
        ----------
        output : CVsCOutput
            Semantic vectors, logits, and both under the intervention.
        y : Tensor of shape (B,), int64
            Index of each image's class.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts, above 0. Every mean over images is then a weighted one, and
            so are the mean and variance that standardise; only ratios matter.

        Returns
        -------
        dict of str to Tensor of shape ()
            "loss", the weighted sum, and the unweighted terms "ce", "cal", "cc", "sci", "tci" of
            non-zero weight.

        Raises
        ------
        ValueError
            If an intervention term has a weight and the output holds no counterfactual.
        """
        terms = self.terms(output, y, sample_weight)
        total = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        return {"loss": total, **terms}

    def terms(
        self,
        output: tuple[Tensor, Tensor, Tensor | None, Tensor | None],
        y: Tensor,
        sample_weight: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the unweighted terms of non-zero weight, as :meth:`forward` does.

        Parameters
        ----------
        output : CVsCOutput
            Semantic vectors, logits, and both under the intervention.
        y : Tensor of shape (B,), int64
            Index of each image's class.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts, above 0.

        Returns
        -------
        dict of str to Tensor of shape ()
            The terms by name.
        """
        s, z, s_other, z_other = output
        if self.needs_counterfactual and (s_other is None or z_other is None):
            raise ValueError(
                "output holds no counterfactual, which lambda_sci and lambda_tci need: put the "
                "network in training mode with counterfactual other than None, or set both to 0"
            )
        names = self.term_names
        target = self.class_attributes[y]
        terms: dict[str, Tensor] = {}
        if "ce" in names:
            terms["ce"] = mean_cross_entropy(z, y, sample_weight)
        if "cal" in names:
            terms["cal"] = self.calibration(z, self.unseen, sample_weight)
        shared: dict[str, Any] = {"sample_weight": sample_weight}
        pair = (self.correlation, self.semantic_intervention)
        is_standardized = all(getattr(part, "standardize", False) for part in pair)
        if s_other is not None and {"cc", "sci"} <= set(names) and is_standardized:
            # Both compare the same standardised values.
            shared["standardized"] = Standardized.of(s, s_other, target, sample_weight)
        if "cc" in names:
            terms["cc"] = self.correlation(s, target, s_other, **shared)
        if "sci" in names:
            terms["sci"] = self.semantic_intervention(s, s_other, target, **shared)
        if "tci" in names:
            terms["tci"] = self.target_intervention(z, z_other, y, sample_weight)
        return terms
