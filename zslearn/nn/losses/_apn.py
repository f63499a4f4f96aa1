"""The loss of APN: both heads, decorrelated attributes, compact maps."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from zslearn.nn._apn import PrototypeOutput
from zslearn.nn.losses._compactness import CompactnessLoss
from zslearn.nn.losses._decorrelation import AttributeDecorrelationLoss
from zslearn.nn.losses._has import HASLoss
from zslearn.nn.losses._means import weighted_sum

__all__ = ["APNLoss"]


class APNLoss(nn.Module):
    r"""Cross entropy, regression and decorrelation of two heads, and compactness of maps [1]_.

    .. math::

        L = L_{CE}(v T^\top) + \lambda_1 L_{reg}(v) + \lambda_2 L_{AD}(W)
        + \lambda_3 L_{CE}(a T^\top) + \lambda_4 L_{reg}(a) + \lambda_5 L_{AD}(P)
        + \lambda_6 L_{CPT}(M)

    with the attributes v of the global head and a of the prototypes P.

    Parameters
    ----------
    lambda_attribute : float, default=0.01
        Weight of the squared error of v.
    lambda_decorrelation : float, default=5e-5
        Weight of the decorrelation of W.
    lambda_local : float, default=1.0
        Weight of the cross entropy of a.
    lambda_local_attribute : float, default=0.1
        Weight of the squared error of a.
    lambda_local_decorrelation : float, default=4e-4
        Weight of the decorrelation of P.
    lambda_compactness : float, default=0.0
        Weight of the compactness of M, a sum over images, attributes and regions.
    groups : Tensor of shape (G, K), default=None
        Groups of attributes, as :class:`AttributeDecorrelationLoss` takes them.
    decorrelation : {"channel", "group"}, default="channel"
        Its form; "group" is that of the released code.
    compactness : {"sigmoid", "similarity"}, default="sigmoid"
        The form of :class:`CompactnessLoss`.
    grid : tuple of (int, int), default=None
        Rows and columns of regions: needed for the compactness.
    loss_on : {"logit", "probability"}, default="logit"
        What cross entropy is taken of; "probability" is that of the released code.

    See Also
    --------
    HASLoss : Has neither decorrelation nor compactness.

    References
    ----------
    .. [1] W. Xu, Y. Xian, J. Wang, B. Schiele, Z. Akata, "Attribute prototype network for
       zero-shot learning", NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import APNNetwork
    >>> from zslearn.nn.losses import APNLoss
    >>> network = APNNetwork(n_attributes=4, n_features=8)
    >>> output, weights = network.heads(torch.randn(2, 9, 8)), list(network.parameters())
    >>> unseen = torch.tensor([False, False, True])
    >>> loss = APNLoss(lambda_local=0.0, lambda_compactness=1e-3, grid=(3, 3))
    >>> list(loss(output, torch.eye(4)[:3], torch.tensor([0, 1]), unseen, weights=weights))
    ['loss', 'ce', 'attribute', 'local_attribute', 'decorrelation', 'local_decorrelation',
     'compactness']
    """

    def __init__(
        self,
        *,
        lambda_attribute: float = 0.01,
        lambda_decorrelation: float = 5e-5,
        lambda_local: float = 1.0,
        lambda_local_attribute: float = 0.1,
        lambda_local_decorrelation: float = 4e-4,
        lambda_compactness: float = 0.0,
        groups: Tensor | None = None,
        decorrelation: Literal["channel", "group"] = "channel",
        compactness: Literal["sigmoid", "similarity"] = "sigmoid",
        grid: tuple[int, int] | None = None,
        loss_on: Literal["logit", "probability"] = "logit",
    ) -> None:
        super().__init__()
        self.heads = HASLoss(
            lambda_attribute=lambda_attribute,
            lambda_local=lambda_local,
            lambda_local_attribute=lambda_local_attribute,
            loss_on=loss_on,
        )
        self.weights = {
            **self.heads.weights,
            "decorrelation": lambda_decorrelation,
            "local_decorrelation": lambda_local_decorrelation,
            "compactness": lambda_compactness,
        }
        self.decorrelation = AttributeDecorrelationLoss(groups, decorrelation)
        if lambda_compactness and grid is None:
            raise ValueError("lambda_compactness needs grid, the rows and columns of the regions")
        self.compactness = CompactnessLoss(grid or (1, 1), compactness)

    def forward(
        self,
        output: PrototypeOutput,
        class_attributes: Tensor,
        y: Tensor,
        unseen: Tensor,
        sample_weight: Tensor | None = None,
        *,
        weights: tuple[Tensor, Tensor],
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
        weights : tuple of Tensor of shape (K, D)
            The global weight W and the prototypes P.

        Returns
        -------
        dict of str to Tensor of shape ()
            "loss", the weighted sum, and the unweighted terms of non-zero weight.
        """
        terms = self.heads.terms(output, class_attributes, y, unseen, sample_weight)
        for name, weight in zip(("decorrelation", "local_decorrelation"), weights, strict=True):
            if self.weights[name]:
                terms[name] = self.decorrelation(weight)
        if self.weights["compactness"]:
            maps = output.similarity, output.peaks
            terms["compactness"] = self.compactness(*maps, sample_weight)
        return {"loss": weighted_sum(self.weights, terms), **terms}
