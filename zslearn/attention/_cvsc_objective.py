"""The readings of CVsC's objective that the paper leaves open, as one parameter."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Literal

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

__all__ = ["CVsCObjective"]


class CVsCObjective(BaseEstimator):
    """How the terms of CVsC's objective are read, where the paper leaves it open.

    Parameters
    ----------
    lambda_ce : float, default=3.0
        Weight of the cross entropy; the paper's other weights are relative to it. 3 as in the
        released code: the causal terms then add to the cross entropy instead of drowning it.
    alpha : float, default=0.5
        Weight in the conditional correlation loss of annotated attributes that were not
        recognised, relative to recognised ones that are not annotated. The paper's value; the
        released code has 1.
    calibration_bias : float, default=0.0
        Added to the logits of unseen classes in the calibration loss; 2 in the released code.
    scale : float, default=1.0
        Scale of the class logits. The paper mentions one without a value.
    standardize : bool, default=True
        Whether the causal terms compare batch-standardised values, as the released code does. Raw
        values, as printed, live on different scales, and training on them collapses.
    correlation_norm : {"mean_squared", "squared", "l2"}, default="mean_squared"
        Norm of the conditional correlation loss: as released, squared, or as printed.
    spread : {"variance", "std"} or None, default="variance"
        What the spread term of the conditional correlation loss compares, as printed in the formula
        or in the text.
    spread_norm : {"absolute", "squared"}, default="absolute"
        Norm of the spread term; absolute as released.
    spread_over : {"batch", "image"}, default="batch"
        Whether spread is taken over all values of the batch, as released, or within an image.
    intervention_norm : {"mean_absolute", "squared", "l2"}, default="mean_absolute"
        Norm of the semantic intervention: as released, squared, or as printed.
    effect_weight : float, default=0.0
        Weight of the sum of effects in the semantic intervention. Positive values maximise it, as
        the paper's text says; -1 is the printed formula. The released code has no such term.
    counterfactual : {"normal", "uniform", "permute"}, default="normal"
        What replaces attended features under intervention: random features, or the attended
        features shuffled among images, attributes and channels (as released).
    counterfactual_scale : float, default=1.0
        Root mean square length of random features; region features have length 1.
    attribute_dim : int, default=300
        Width of the attribute vectors when the table brings no word vectors.
    train_attribute_vectors : bool, default=True
        Whether attribute vectors are trained on from the word vectors.

    See Also
    --------
    zslearn.CVsCClassifier : Takes it as ``objective``.
    zslearn.nn.CVsCLoss : The terms themselves.

    Examples
    --------
    >>> from zslearn import CVsCClassifier
    >>> from zslearn.attention import CVsCObjective
    >>> clf = CVsCClassifier(objective=CVsCObjective(counterfactual="permute"))
    >>> clf.set_params(objective__alpha=1.0).objective
    CVsCObjective(alpha=1.0, counterfactual='permute')
    >>> CVsCObjective.named("released")
    CVsCObjective(alpha=1.0, calibration_bias=2.0, counterfactual='permute')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "lambda_ce": [Interval(Real, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "calibration_bias": [Real],
        "scale": [Interval(Real, 0, None, closed="neither")],
        "standardize": ["boolean"],
        "correlation_norm": [StrOptions({"mean_squared", "squared", "l2"})],
        "spread": [StrOptions({"variance", "std"}), None],
        "spread_norm": [StrOptions({"absolute", "squared"})],
        "spread_over": [StrOptions({"batch", "image"})],
        "intervention_norm": [StrOptions({"mean_absolute", "squared", "l2"})],
        "effect_weight": [Real],
        "counterfactual": [StrOptions({"normal", "uniform", "permute"})],
        "counterfactual_scale": [Interval(Real, 0, None, closed="neither")],
        "attribute_dim": [Interval(Integral, 1, None, closed="left")],
        "train_attribute_vectors": ["boolean"],
    }

    def __init__(
        self,
        *,
        lambda_ce: float = 3.0,
        alpha: float = 0.5,
        calibration_bias: float = 0.0,
        scale: float = 1.0,
        standardize: bool = True,
        correlation_norm: Literal["mean_squared", "squared", "l2"] = "mean_squared",
        spread: Literal["variance", "std"] | None = "variance",
        spread_norm: Literal["absolute", "squared"] = "absolute",
        spread_over: Literal["batch", "image"] = "batch",
        intervention_norm: Literal["mean_absolute", "squared", "l2"] = "mean_absolute",
        effect_weight: float = 0.0,
        counterfactual: Literal["normal", "uniform", "permute"] = "normal",
        counterfactual_scale: float = 1.0,
        attribute_dim: int = 300,
        train_attribute_vectors: bool = True,
    ) -> None:
        self.lambda_ce = lambda_ce
        self.alpha = alpha
        self.calibration_bias = calibration_bias
        self.scale = scale
        self.standardize = standardize
        self.correlation_norm = correlation_norm
        self.spread = spread
        self.spread_norm = spread_norm
        self.spread_over = spread_over
        self.intervention_norm = intervention_norm
        self.effect_weight = effect_weight
        self.counterfactual = counterfactual
        self.counterfactual_scale = counterfactual_scale
        self.attribute_dim = attribute_dim
        self.train_attribute_vectors = train_attribute_vectors

    @classmethod
    def named(cls, name: str) -> CVsCObjective:
        """Return the objective of a name.

        Parameters
        ----------
        name : {"default", "printed", "released"}
            "printed" is the paper to the letter, which does not train well; "released" the
            authors' code.

        Returns
        -------
        CVsCObjective
            A new object.

        Raises
        ------
        ValueError
            If there is none of that name.
        """
        if not isinstance(name, str) or name not in OBJECTIVES:
            choices = ", ".join(map(repr, OBJECTIVES))
            raise ValueError(f"name must be one of {choices}; found {name!r}")
        return cls(**OBJECTIVES[name])


OBJECTIVES: dict[str, dict[str, Any]] = {
    "default": {},
    "released": {"alpha": 1.0, "calibration_bias": 2.0, "counterfactual": "permute"},
    "printed": {
        "lambda_ce": 1.0,
        "standardize": False,
        "correlation_norm": "l2",
        "spread_norm": "squared",
        "spread_over": "image",
        "intervention_norm": "l2",
        "effect_weight": -1.0,
    },
}
