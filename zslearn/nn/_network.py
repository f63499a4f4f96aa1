"""The network of CVsC: two projections of attribute vectors, and nothing else to learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zslearn.nn import functional as zf
from zslearn.nn._semantic_attention import attend, project_attributes
from zslearn.nn.counterfactual import (
    Counterfactual,
    normal_counterfactual,
    permuted_counterfactual,
    uniform_counterfactual,
)

__all__ = ["CVsCNetwork", "CVsCOutput"]


class CVsCOutput(NamedTuple):
    """What :class:`CVsCNetwork` computes for a batch of B images.

    Attributes
    ----------
    semantics : Tensor of shape (B, K)
        Semantic vectors s, Eq. 3.
    logits : Tensor of shape (B, C)
        Class logits z, Eq. 4.
    counterfactual_semantics : Tensor of shape (B, K) or None
        The semantic vectors under the intervention, Eq. 8.
    counterfactual_logits : Tensor of shape (B, C) or None
        The logits under the intervention, Eq. 10.
    """

    semantics: Tensor
    logits: Tensor
    counterfactual_semantics: Tensor | None = None
    counterfactual_logits: Tensor | None = None


class CVsCNetwork(nn.Module):
    r"""Semantic-visual attention, semantic embedding and class scores (Eqs. 1-4).

    .. math::

        Q = A W_q, \quad E = A W_{sv}, \quad
        s_k = \sum_r \operatorname{softmax}_r(F_r \cdot Q_k)(F_r \cdot E_k), \quad
        z = \mathrm{scale} \; s \hat T^\top

    Parameters
    ----------
    class_attributes : Tensor of shape (C, K)
        The class attribute table T, kept as a buffer.
    n_features : int
        D, the width of a region feature.
    attribute_vectors : Tensor of shape (K, V), default=None
        Word vectors of the attribute names, where training starts from. Rows of zeros have no
        direction and start from a random one. ``None`` starts all of them at random.
    attribute_dim : int, default=300
        V when `attribute_vectors` is ``None``. 300 is the usual width of word vectors.
    train_attribute_vectors : bool, default=True
        Whether the attribute vectors are trained; they are l2-normalised at the start and at
        every use.
    scale : float, default=1.0
        Scale of the class logits.
    counterfactual : {"normal", "uniform", "permute"} or None, default="normal"
        What replaces the attribute-related features under intervention: see
        :mod:`zslearn.nn.counterfactual`. ``None`` computes no counterfactual.
    counterfactual_scale : float, default=1.0
        Root mean square length of the features drawn by "normal" and "uniform".
    seed : int, default=0
        Seed of the initial weights.
    identity_start : float, default=0.0
        Above 0, W_sv starts from this times the identity, for attributes described in the space of
        the regions (V = D), and so does W_q. Without `attribute_vectors` the attributes are the
        axes of that space (K = D), ``A = I``, and W_q starts from zero, uniform attention. 0 starts
        both from a standard normal.

    Attributes
    ----------
    attribute_vectors : Parameter of shape (K, V)
        The attribute vectors A, before they are normalised.
    query_weight, embedding_weight : Parameter of shape (V, D)
        W_q and W_sv.

    Raises
    ------
    ValueError
        If `attribute_vectors` has other than K rows, or `identity_start` is above 0 and V, or
        without `attribute_vectors` K, is not D.

    See Also
    --------
    CVsCLoss : Compares its output with the annotation.
    zslearn.CVsCClassifier : Both behind the scikit-learn API.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import CVsCNetwork
    >>> network = CVsCNetwork(torch.eye(4), n_features=8).eval()
    >>> output = network(torch.randn(2, 9, 8))
    >>> output.semantics.shape, output.logits.shape, output.counterfactual_logits
    (torch.Size([2, 4]), torch.Size([2, 4]), None)
    """

    class_attributes: Tensor

    def __init__(
        self,
        class_attributes: Tensor,
        n_features: int,
        *,
        attribute_vectors: Tensor | None = None,
        attribute_dim: int = 300,
        train_attribute_vectors: bool = True,
        scale: float = 1.0,
        counterfactual: Counterfactual | None = "normal",
        counterfactual_scale: float = 1.0,
        seed: int = 0,
        identity_start: float = 0.0,
    ) -> None:
        super().__init__()
        if counterfactual not in ("normal", "uniform", "permute", None):
            raise ValueError(
                "counterfactual must be 'normal', 'uniform', 'permute' or None, "
                f"found {counterfactual!r}"
            )
        n_attributes = class_attributes.shape[1]
        self.scale = scale
        self.counterfactual = counterfactual
        self.counterfactual_scale = counterfactual_scale
        self.register_buffer("class_attributes", class_attributes)
        # The table it was computed from, that table's version, and its rows of unit length.
        self._unit: tuple[Tensor, int, Tensor] | None = None
        generator = torch.Generator().manual_seed(seed)
        dtype = class_attributes.dtype
        described = attribute_vectors is not None
        if identity_start:
            _check_one_space(identity_start, n_features, n_attributes, attribute_vectors)
        if attribute_vectors is None:
            width = n_attributes if identity_start else attribute_dim
            attribute_vectors = (torch.eye if identity_start else torch.zeros)(
                n_attributes, width, dtype=dtype
            )
        elif attribute_vectors.shape[0] != n_attributes:
            raise ValueError(
                f"attribute_vectors has {attribute_vectors.shape[0]} rows, class_attributes has "
                f"{n_attributes} columns"
            )
        vectors = attribute_vectors.detach().to(dtype, copy=True)
        width = vectors.shape[1]
        directionless = ~vectors.any(dim=1)
        random = torch.randn(n_attributes, width, generator=generator, dtype=dtype)
        vectors[directionless] = random[directionless]
        # Unit length from the start, so that training does not depend on the word vectors' units.
        self.attribute_vectors = nn.Parameter(
            zf.normalize_rows(vectors), requires_grad=train_attribute_vectors
        )
        starts = [torch.randn(width, n_features, generator=generator, dtype=dtype) for _ in "qe"]
        if identity_start:
            identity = identity_start * torch.eye(width, dtype=dtype)
            starts = [identity.clone() if described else torch.zeros_like(identity), identity]
        self.query_weight, self.embedding_weight = map(nn.Parameter, starts)

    @property
    def n_attributes(self) -> int:
        """K, the number of attributes."""
        return self.attribute_vectors.shape[0]

    def queries_and_embeddings(self) -> tuple[Tensor, Tensor]:
        """Compute attribute queries Q and embeddings E, which are independent of the images.

        Returns
        -------
        queries, embeddings : Tensor of shape (K, D)
            ``A W_q`` and ``A W_sv``.
        """
        vectors = zf.normalize_rows(self.attribute_vectors)
        return vectors @ self.query_weight, vectors @ self.embedding_weight

    def attribute_weights(self, dtype: torch.dtype) -> Tensor:
        """Compute ``[Q; E]``, for :meth:`semantics` of regions of some dtype.

        Parameters
        ----------
        dtype : torch.dtype
            That of the regions.

        Returns
        -------
        Tensor of shape (2K, D)
            Queries above embeddings.
        """
        return torch.cat(self.queries_and_embeddings()).to(dtype)

    def semantics(
        self, regions: Tensor, weights: Tensor | None = None, padding: Tensor | None = None
    ) -> Tensor:
        """Compute semantic vectors s, Eq. 3.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features of unit length.
        weights : Tensor of shape (2K, D), default=None
            The :meth:`attribute_weights`, where they are used more than once.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions that get no attention, as in :meth:`forward`.

        Returns
        -------
        Tensor of shape (B, K)
            Semantic vectors s.
        """
        weights = self.attribute_weights(regions.dtype) if weights is None else weights
        return attend(regions, weights, padding=padding)

    def attention_maps(
        self, regions: Tensor, attributes: Tensor | None = None, padding: Tensor | None = None
    ) -> Tensor:
        """Compute attention maps M, Eq. 2.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features of unit length.
        attributes : Tensor of shape (k,), int64, default=None
            Index of the attributes to keep; ``None`` keeps all.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions that get no attention, as in :meth:`forward`.

        Returns
        -------
        Tensor of shape (B, k, R)
            Non-negative, each map summing to one over the regions; exactly 0 on padding.
        """
        vectors = (
            self.attribute_vectors if attributes is None else self.attribute_vectors[attributes]
        )
        queries = zf.normalize_rows(vectors) @ self.query_weight
        return zf.attention_maps(regions, queries, padding)

    def class_scores(self, semantics: Tensor, class_attributes: Tensor | None = None) -> Tensor:
        """Compute class logits z, Eq. 4, for any table of classes.

        Parameters
        ----------
        semantics : Tensor of shape (B, K)
            Semantic vectors s.
        class_attributes : Tensor of shape (C, K), default=None
            Describes the classes to score; ``None`` for those of the network.

        Returns
        -------
        Tensor of shape (B, C)
            Class logits z.
        """
        if class_attributes is None:
            return self.scale * semantics @ self.unit_attributes().to(semantics.dtype).T
        return zf.class_scores(semantics, class_attributes, self.scale)

    def unit_attributes(self) -> Tensor:
        """Compute the class attribute table with rows of unit length, or recall it on a CPU.

        Returns
        -------
        Tensor of shape (C, K)
            The class embeddings.
        """
        table = self.class_attributes
        if table.device.type != "cpu" or table.is_inference():
            return zf.normalize_rows(table)
        if self._unit is None or self._unit[0] is not table or self._unit[1] != table._version:
            with torch.inference_mode(False):
                self._unit = table, table._version, zf.normalize_rows(table)
        return self._unit[2]

    def forward(
        self,
        regions: Tensor,
        padding: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
        gather: Callable[[Tensor], Tensor] | None = None,
    ) -> CVsCOutput:
        """Semantic vectors and logits; in training mode, their counterfactuals too.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features of unit length; their dtype is the precision of the products.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions that get no attention, never all of an image; :func:`find_padding
            <zslearn.nn.functional.find_padding>` marks those of zeros. ``None`` leaves none out.
        generator : torch.Generator, default=None
            Source of randomness of the counterfactual, on the same device.
        gather : callable, default=None
            Where several processes have a share of the images each, turns rows (b, K) of this share
            into rows (B, K) of all images, which are then those of the output. `generator` must be
            in the same state in all processes.

        Returns
        -------
        CVsCOutput
            What the losses need.
        """
        weights, lengths = project_attributes(
            self.attribute_vectors, self.query_weight, self.embedding_weight, regions.dtype
        )
        semantics = attend(regions, weights, padding=padding)
        if gather is not None:
            semantics = gather(semantics)
        if not self.training or self.counterfactual is None:
            return CVsCOutput(semantics, self.class_scores(semantics))
        queries, embeddings = weights.chunk(2)
        if self.counterfactual == "permute":
            other = permuted_counterfactual(
                regions,
                queries,
                embeddings,
                padding,
                generator=generator,
                n_images=len(semantics),
                gather=gather,
            )
        elif self.counterfactual == "uniform":
            other = uniform_counterfactual(
                embeddings.to(lengths.dtype),
                len(semantics),
                scale=self.counterfactual_scale,
                generator=generator,
            )
        else:
            other = normal_counterfactual(
                embeddings,
                len(semantics),
                scale=self.counterfactual_scale,
                lengths=lengths,
                generator=generator,
            )
        logits, other_logits = self.class_scores(torch.cat([semantics, other])).chunk(2)
        return CVsCOutput(semantics, logits, other, other_logits)


def _check_one_space(
    start: float, n_features: int, n_attributes: int, vectors: Tensor | None
) -> None:
    """Raise unless attributes are described in the space of regions, or are its axes."""
    if vectors is None and n_attributes != n_features:
        raise ValueError(
            f"identity_start={start!r} needs attributes described in the space of the regions, but "
            f"there are no word vectors, and class_attributes has {n_attributes} values a class "
            f"where X has {n_features} features: give word vectors of {n_features} numbers, or use "
            "0."
        )
    if vectors is not None and vectors.shape[1] != n_features:
        raise ValueError(
            f"identity_start={start!r} needs word vectors in the space of the regions, but they "
            f"have {vectors.shape[1]} numbers and X has {n_features} features: use 0."
        )
