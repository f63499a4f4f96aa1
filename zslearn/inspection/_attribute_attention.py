"""Where attributes look, laid over the pictures (Figure 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn.inspection import _attention_panels as panels
from zslearn.inspection._attended_pictures import (
    Origin,
    load_pictures,
    origin_of,
    resolve_grid,
    viewed_boxes,
)
from zslearn.inspection._attention_answers import (
    as_models,
    ask_models,
    check_length,
    check_shape,
    true_regions,
)
from zslearn.inspection._attention_titles import panel_title, picture_lines
from zslearn.inspection._region_effects import MapKind
from zslearn.inspection._viewed_part import WHOLE, Box

__all__ = ["AttributeAttentionDisplay"]


class AttributeAttentionDisplay:
    """Attention maps of attributes over pictures: one row a picture, one column an attribute.

    The first column is the picture, the others show it in grey, tinted where the attribute of the
    column looks: the more attention, the more opaque. Of several models, each has a row below the
    other, with the same attributes, so that they can be compared (Figure 5 of [1]_).

    It is recommended to use :meth:`from_estimator`; all parameters are stored as attributes.

    Parameters
    ----------
    maps : array-like of shape (k, R), (n, k, R) or (n_models, n, k, R)
        Attention of k attributes over R regions, for one or n pictures and one or more models. Not
        negative. Stored with four axes.
    grid_shape : (int, int)
        Regions down and across, in reading order; their product is R.
    attribute_names : array-like of str, of shape (k,) or (n, k)
        Names of the attributes, the same for all pictures or each picture's own.
    images : list of ndarray of shape (height, width, 3), uint8, default=None
        The pictures, upright. ``None`` draws the maps alone.
    boxes : list of (left, top, right, bottom), default=None
        What the network saw of each picture, as shares of its width and height. ``None`` is the
        whole.
    values : array-like of shape (n_models, n, k), default=None
        Predicted values of the attributes.
    class_values : array-like of shape (n_models, n, k), default=None
        Values in the class table.
    regions : array-like of bool, of shape (n, k, R), default=None
        Regions where the attribute truly is.
    labels : sequence of length n, default=None
        True class of each picture.
    predictions : array-like of shape (n_models, n), default=None
        Predicted class of each picture.
    model_names : sequence of str, default=None
        Names of the models; ``None`` names none.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    axes_ : ndarray of Axes, of shape (n * n_models, n_columns)
        Rows by picture, then by model.
    pictures_ : ndarray of AxesImage or None, of the shape of `axes_`
        The pictures: in colour in the first column, in grey in the others.
    overlays_ : ndarray of AxesImage, of shape (n * n_models, k)
        The attention; its array holds the attention of a region, its alpha the opacity.
    outlines_ : ndarray of LineCollection or None, of shape (n * n_models, k)
        The borders of `regions`.

    See Also
    --------
    estimate_attribute_localization : How much of the attention is on the right part.
    region_effects : What regions add to an attribute's score, drawn with ``kind="effect"``.

    Notes
    -----
    The picture is desaturated and drawn towards the colour of the paper, so that the tint is told
    by lightness as well as by hue: it survives a grey printer and any kind of colour vision.

    What a region of a deep network answers to is larger than its cell. A map that looks right is no
    proof that the prediction depends on it.

    References
    ----------
    .. [1] "Causal Visual-semantic Correlation for Zero-shot Learning", ACM Multimedia, 2024.

    Examples
    --------
    >>> from zslearn.inspection import AttributeAttentionDisplay
    >>> maps = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.2, 0.6]]
    >>> display = AttributeAttentionDisplay(
    ...     maps=maps, grid_shape=(2, 2), attribute_names=["has_bill_shape::cone", "flies"]
    ... )
    >>> display.plot(upsampling="cells").overlays_[0, 0].get_array()
    masked_array(
      data=[[0.7, 0.1],
            [0.1, 0.1]],
    ...
    """

    def __init__(
        self,
        *,
        maps: ArrayLike,
        grid_shape: tuple[int, int],
        attribute_names: ArrayLike,
        images: list[NDArray[np.uint8]] | None = None,
        boxes: Sequence[tuple[float, float, float, float]] | None = None,
        values: ArrayLike | None = None,
        class_values: ArrayLike | None = None,
        regions: ArrayLike | None = None,
        labels: Sequence[Any] | None = None,
        predictions: ArrayLike | None = None,
        model_names: Sequence[str] | None = None,
    ) -> None:
        array = np.asarray(maps)
        if array.ndim not in (2, 3, 4) or 0 in array.shape:
            raise ValueError(
                "maps must have shape (k, R), (n, k, R) or (n_models, n, k, R), none of them 0; "
                f"found {array.shape}."
            )
        if not (np.isfinite(array).all() and (array >= 0).all()):
            raise ValueError("maps holds NaN, infinite or negative values: no attention is that.")
        self.maps = array.reshape((1,) * (4 - array.ndim) + array.shape)
        m, n, k, n_regions = self.maps.shape
        self.grid_shape = resolve_grid(grid_shape, Origin(), n_regions)
        names = np.asarray(attribute_names)
        if names.shape not in ((k,), (n, k)):
            expected = f"{(k,)} or {(n, k)}"
            raise ValueError(f"attribute_names must have shape {expected}, found {names.shape}.")
        self.attribute_names = np.broadcast_to(names, (n, k))
        self.images = images
        self.boxes = [Box(*box) for box in boxes] if boxes is not None else [WHOLE] * n
        check_length("images", images, n)
        check_length("boxes", boxes, n)
        check_length("labels", labels, n)
        check_length("model_names", model_names, m)
        self.values = check_shape("values", values, (m, n, k))
        self.class_values = check_shape("class_values", class_values, (m, n, k))
        self.regions = check_shape("regions", regions, (n, k, n_regions))
        self.predictions = check_shape("predictions", predictions, (m, n))
        self.labels = labels
        self.model_names = model_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        images: Any = None,
        *,
        y: ArrayLike | None = None,
        class_attributes: Any = None,
        attributes: Any = "strongest",
        n_attributes: int = 5,
        distinct_groups: bool = True,
        kind: MapKind = "attention",
        grid_shape: tuple[int, int] | None = None,
        data_config: Mapping[str, Any] | None = None,
        regions: Any = None,
        attribute_parts: ArrayLike | None = None,
        axes: Any = None,
        **plot_options: Any,
    ) -> AttributeAttentionDisplay:
        r"""Draw where a fitted classifier looks, picture by picture.

        Only the maps that are drawn are computed.

        Parameters
        ----------
        estimator : classifier, or dict of str to classifier
            Fitted, with `attention_maps`, such as :class:`~zslearn.CVsCClassifier`; pipelines,
            searches, calibrated classifiers and ensembles of it are welcome. A dict of several,
            fitted to the same attributes, gives each a row for every picture.
        X : array-like of shape (n, R, D), FeatureStore, or pictures
            The pictures to draw, as the estimator takes them: cut them out first, ``X[[3, 5]]``.
        images : pictures, bool or None, default=None
            What to draw the maps over: a sequence of paths, of PIL images or of arrays, grey or RGB
            (uint8, or floating point from 0 to 1). ``None`` takes the files a
            :class:`~zslearn.feature_extraction.FeatureStore` (or a view of one) was made of, or
            the pictures X itself holds if a pipeline extracts their features, and draws the maps
            alone where there is neither. ``False`` draws the maps alone.
        y : array-like of shape (n,), default=None
            True labels, written beside the pictures. ``class_values`` are then those of the true
            class, and otherwise of the class that each model predicts.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to choose among instead of the fitted ones, described by the same attributes.
        attributes : "strongest", sequence of str or int, default="strongest"
            Names or numbers of attributes; or a sequence of such for each picture. ``"strongest"``
            takes those that, as predicted, do most to set the class in question above the mean of
            all classes (see Notes), in each picture its own.
        n_attributes : int, default=5
            How many are taken as strongest; at most all there are.
        distinct_groups : bool, default=True
            Whether at most one is taken of each group (what a name holds before ``::``), as long as
            there are other groups.
        kind : {"attention", "effect"}, default="attention"
            Whether attention is drawn, or what regions add to the attribute's score: the positive
            part of :func:`region_effects`, as shares.
        grid_shape : (int, int), default=None
            Regions down and across. ``None`` takes that of the feature store or of the extractor in
            the pipeline; else R must be the square of a whole number, the side of the grid.
        data_config : dict, default=None
            How pictures were resized and cropped for the network, as in
            ``TimmRegionExtractor.data_config_``. ``None`` asks the feature store or the extractor
            in the pipeline; if these do not tell, the grid is laid over the whole picture.
        regions : array-like of bool, of shape (n, K, R) or (n, P, R), default=None
            Regions where each attribute of the table truly is; or each part, if `attribute_parts`
            is given. They are outlined, with the share of the attention that is inside. Nothing is
            outlined where all are False.
        attribute_parts : array-like of shape (K,) or (K, P), default=None
            The parts that attributes name, as in
            :func:`~zslearn.metrics.attribute_localization_score`.
        axes : array-like of matplotlib Axes, default=None
            To draw in, see :meth:`plot`.
        **plot_options
            The other parameters of :meth:`plot`.

        Returns
        -------
        display : AttributeAttentionDisplay
            It is plotted.

        Raises
        ------
        NotFittedError
            If an estimator is not fitted.
        TypeError
            If an estimator has no attention maps, or X is a single path.
        ValueError
            If the grid, the kind or a name is unknown, models do not share attributes and regions,
            shapes disagree, or more than 40 rows were to be drawn.

        Notes
        -----
        **Strongest.** With the predicted value :math:`s_k` and the class embeddings :math:`e_{ck}`
        (normalised class attributes; the score of a class is :math:`\sum_k s_k e_{ck}`), attribute
        k lifts class c, the true one if y is given and the predicted one otherwise, above the mean
        of all by :math:`s_k (e_{ck} - \operatorname{mean}_{c'} e_{c'k})`. Attributes predicted to
        be absent, :math:`s_k \le 0`, come last. Of several models, the mean is taken, after
        dividing by the largest of each. Compare predicted values between pictures only: they are
        not on the scale of the class table.
        """
        models = as_models(estimator, X)
        origin = origin_of(next(iter(models.values())), X)
        chosen_by = (attributes, n_attributes, distinct_groups, class_attributes, kind)
        results = ask_models(models, X, y, *chosen_by)
        _, n, _, n_regions = results.maps.shape
        if images is None:
            images = origin.images
        pictures = boxes = None
        if images is not None and images is not False:
            pictures = load_pictures(images, n)
            data_config = origin.data_config if data_config is None else data_config
            boxes = viewed_boxes(pictures, data_config)
        display = cls(
            maps=results.maps,
            grid_shape=resolve_grid(grid_shape, origin, n_regions),
            attribute_names=np.array(results.names)[results.chosen],
            images=pictures,
            boxes=boxes,
            values=results.values,
            class_values=results.class_values,
            regions=true_regions(
                regions, attribute_parts, results.chosen, len(results.names), n_regions
            ),
            labels=None if y is None else np.asarray(y).tolist(),
            predictions=results.predictions,
            model_names=list(models) if isinstance(estimator, Mapping) else None,
        )
        return display.plot(axes, **plot_options)

    def plot(
        self,
        axes: Any = None,
        *,
        upsampling: str = "smooth",
        scale: str = "panel",
        cmap: Any = None,
        max_opacity: float = 0.9,
    ) -> AttributeAttentionDisplay:
        """Draw.

        Parameters
        ----------
        axes : array-like of matplotlib Axes, default=None
            As many as there are panels, in rows: for each picture and model the picture, if there
            are `images`, and the attributes. ``None`` makes a figure.
        upsampling : {"smooth", "cells"}, default="smooth"
            Whether attention passes linearly from the middle of a region to those beside it, or
            each region is a square of one colour.
        scale : {"panel", "shared"}, default="panel"
            Whether full colour is the largest attention of each panel, or of all. Only "shared"
            tells how concentrated one map is against another; "panel" shows where each looks.
        cmap : str or matplotlib Colormap, default=None
            Colours from no to most attention. ``None`` goes from the colour of the paper to blue.
        max_opacity : float, default=0.9
            Opacity at full colour, over 0 up to 1.

        Returns
        -------
        self : AttributeAttentionDisplay
            With `figure_`, `axes_` and the artists.

        Raises
        ------
        ValueError
            If a parameter has another value, or there are not as many axes as panels.
        """
        panels.check_options(upsampling, scale, max_opacity)
        m, n, k, _ = self.maps.shape
        first = 0 if self.images is None else 1
        heights = [self._sides(i)[1] / self._sides(i)[0] for i in range(n) for _ in range(m)]
        self.axes_ = panels.make_axes(axes, heights, first + k, type(self).__name__)
        self.figure_ = self.axes_[0, 0].figure
        self.pictures_ = np.full(self.axes_.shape, None, dtype=object)
        self.overlays_ = np.full((n * m, k), None, dtype=object)
        self.outlines_ = np.full((n * m, k), None, dtype=object)
        for i, j in np.ndindex(n, m):
            line = self.axes_[i * m + j]
            for ax in line:
                panels.clear_frame(ax)
            self._name_row(line[0], i, j)
            if self.images is not None:
                self.pictures_[i * m + j, 0] = panels.draw_in_color(
                    line[0], self.images[i], self.boxes[i]
                )
            for place, ax in enumerate(line[first:]):
                self._draw_panel(ax, (i, j, place), upsampling, scale, cmap, max_opacity)
        return self

    def _sides(self, i: int) -> tuple[float, float]:
        """Width and height of a picture; those of the grid without pictures."""
        if self.images is None:
            return float(self.grid_shape[1]), float(self.grid_shape[0])
        return float(self.images[i].shape[1]), float(self.images[i].shape[0])

    def _name_row(self, ax: Any, i: int, j: int) -> None:
        lines = [] if self.model_names is None else [str(self.model_names[j])]
        told = picture_lines(
            None if self.labels is None else self.labels[i],
            None if self.predictions is None else self.predictions[j, i],
        )
        if self.images is None:
            lines += told
        elif told:
            ax.set_title("\n".join(told), fontsize=7, linespacing=1.1)
        if lines:
            ax.set_ylabel("\n".join(lines), fontsize=8)

    def _draw_panel(
        self,
        ax: Any,
        panel: tuple[int, int, int],
        upsampling: str,
        scale: str,
        tint: Any,
        top: float,
    ) -> None:
        """Attention of one attribute, over the picture in grey if there is one."""
        i, j, place = panel
        row, first = i * self.maps.shape[0] + j, int(self.images is not None)
        sides, box = self._sides(i), self.boxes[i]
        if self.images is not None:
            self.pictures_[row, first + place] = panels.draw_in_grey(ax, self.images[i], box)
        self.overlays_[row, place] = panels.draw_attention(
            ax,
            self.maps[j, i, place].reshape(self.grid_shape),
            sides,
            box,
            largest=(self.maps if scale == "shared" else self.maps[j, i, place]).max(),
            smooth=upsampling == "smooth",
            cmap=tint,
            opacity=None if self.images is None else top,
        )
        mask = None if self.regions is None else self.regions[i, place].reshape(self.grid_shape)
        if mask is not None and mask.any():
            self.outlines_[row, place] = panels.draw_outline(ax, mask, sides, box)
        title = panel_title(
            str(self.attribute_names[i, place]),
            self.maps[j, i, place],
            None if self.regions is None else self.regions[i, place],
            None if self.values is None else self.values[j, i, place],
            None if self.class_values is None else self.class_values[j, i, place],
        )
        ax.set_title(title, fontsize=7, linespacing=1.1)
