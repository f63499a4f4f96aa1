"""The loss of HAS: cross entropy and regression of attributes, for each of two heads."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from zslearn.nn._apn import PrototypeOutput
from zslearn.nn.losses._attribute_regression import AttributeRegressionLoss
from zslearn.nn.losses._means import weighted_sum
from zslearn.nn.losses._seen_cross_entropy import SeenCrossEntropyLoss

__all__ = ["HASLoss"]


class HASLoss(nn.Module):
    r"""Cross entropy among seen classes and squared error of attributes, of both heads [1]_.

    .. math::

        L = L_{CE}(s T^\top) + \lambda_1 L_{reg}(s) + \lambda_2 L_{CE}(s' T^\top)
        + \lambda_3 L_{reg}(s')

    with the attributes s of the global head and s' of the prototypes.

    Parameters
    ----------
    lambda_attribute : float, default=0.01
        Weight of the squared error of s.
    lambda_local : float, default=1.0
        Weight of the cross entropy of s'.
    lambda_local_attribute : float, default=0.1
        Weight of the squared error of s'.
    loss_on : {"logit", "probability"}, default="logit"
        What cross entropy is taken of; "probability" is that of the released code.

    See Also
    --------
    SeenCrossEntropyLoss, AttributeRegressionLoss : Its terms.
    HASPerturbationLoss : What adversarial samples minimise.

    References
    ----------
    .. [1] Z. Chen, P. Zhang, J. Li, S. Wang, Z. Huang, "Zero-shot learning by harnessing
       adversarial samples", ACM Multimedia 2023.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import HASNetwork
    >>> from zslearn.nn.losses import HASLoss
    >>> output = HASNetwork(n_attributes=4, n_features=8).heads(torch.randn(2, 9, 8))
    >>> unseen = torch.tensor([False, False, True])
    >>> terms = HASLoss()(output, torch.eye(4)[:3], torch.tensor([0, 1]), unseen)
    >>> list(terms)
    ['loss', 'ce', 'attribute', 'local_ce', 'local_attribute']
    """

    def __init__(
        self,
        *,
        lambda_attribute: float = 0.01,
        lambda_local: float = 1.0,
        lambda_local_attribute: float = 0.1,
        loss_on: Literal["logit", "probability"] = "logit",
    ) -> None:
        super().__init__()
        self.weights = {
            "ce": 1.0,
            "attribute": lambda_attribute,
            "local_ce": lambda_local,
            "local_attribute": lambda_local_attribute,
        }
        self.cross_entropy = SeenCrossEntropyLoss(loss_on)
        self.regression = AttributeRegressionLoss()

    def forward(
        self,
        output: PrototypeOutput,
        class_attributes: Tensor,
        y: Tensor,
        unseen: Tensor,
        sample_weight: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the weighted sum and its terms.

        Parameters
        ----------
        output : PrototypeOutput
            What both heads say.
        class_attributes : Tensor of shape (C, K)
            Descriptions, taken as they are: the authors' have rows of unit length.
        y : Tensor of shape (B,), int64
            The row of each image's class, a seen one.
        unseen : Tensor of shape (C,), bool
            Marks the unseen classes.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts, above 0.

        Returns
        -------
        dict of str to Tensor of shape ()
            "loss", the weighted sum, and the unweighted terms of non-zero weight.
        """
        terms = self.terms(output, class_attributes, y, unseen, sample_weight)
        return {"loss": weighted_sum(self.weights, terms), **terms}

    def terms(
        self,
        output: PrototypeOutput,
        class_attributes: Tensor,
        y: Tensor,
        unseen: Tensor,
        sample_weight: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the unweighted terms of non-zero weight, as :meth:`forward` does.

        Parameters
        ----------
        output : PrototypeOutput
            What both heads say.
        class_attributes : Tensor of shape (C, K)
            Descriptions, taken as they are.
        y : Tensor of shape (B,), int64
            The row of each image's class, a seen one.
        unseen : Tensor of shape (C,), bool
            Marks the unseen classes.
        sample_weight : Tensor of shape (B,), default=None
            How much each image counts, above 0.

        Returns
        -------
        dict of str to Tensor of shape ()
            The terms by name.
        """
        table = class_attributes.to(output.semantics.dtype)
        terms = {}
        for prefix, semantics in (("", output.semantics), ("local_", output.local_semantics)):
            if self.weights[name := f"{prefix}ce"]:
                logits = semantics @ table.T
                terms[name] = self.cross_entropy(logits, y, unseen, sample_weight)
            if self.weights[name := f"{prefix}attribute"]:
                terms[name] = self.regression(semantics, table[y], sample_weight)
        return terms
