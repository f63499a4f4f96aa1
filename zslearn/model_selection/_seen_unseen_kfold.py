"""Cross-validation whose folds hold out whole classes."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from sklearn.utils.validation import check_consistent_length

from zslearn.model_selection._classes import (
    COUNT_OR_FRACTION,
    check_seen_part,
    count_held_out,
    count_unseen,
    samples_by_class,
    warn_groups,
)

_CONSTRAINTS = {
    "n_splits": [Interval(Integral, 1, None, closed="left")],
    "n_repeats": [Interval(Integral, 1, None, closed="left")],
    "n_unseen": [*COUNT_OR_FRACTION, None],
    "test_size": COUNT_OR_FRACTION,
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
}


class SeenUnseenKFold(BaseCrossValidator):
    """K folds in each of which a group of classes plays the unseen.

    The test part of a fold holds all samples of a group of classes, which are then unseen to an
    estimator fitted on the training part, and a share of the samples of every other class. So a
    fold poses the problem of generalised zero-shot learning, on seen classes alone, and all its
    metrics can be computed: weights, epochs and calibration can be chosen without a look at test
    data.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds. By default the groups of classes take turns: each class is unseen in
        exactly one fold. Five, as in scikit-learn, make a fifth of the classes unseen, about as
        many as in the published splits [1]_.

    n_repeats : int, default=1
        How often to repeat with other groups. Scores of zero-shot learning depend on which
        classes are unseen more than on anything else, so averages over several repeats are much
        steadier.

    n_unseen : int or float, default=None
        Unseen classes in a fold: an int is a count, a float between 0 and 1 a fraction of the
        classes in ``y``, rounded, of at least one and leaving at least one. ``None`` makes
        ``n_splits`` groups of equal size, up to one, out of all classes.

    test_size : int or float, default=0.2
        Samples of each class that stays to hold out: an int is a count, a float between 0 and 1 a
        fraction of the class, rounded, of at least one and leaving at least one to train on. The
        published splits hold out a fifth. A class with a single sample is not divided.

    shuffle : bool, default=True
        Whether groups and held-out samples are drawn at random. If not, both are taken in order:
        of classes sorted by label, neighbours, which often are relatives, are unseen together,
        which makes for harder folds.

    random_state : int, RandomState instance or None, default=None
        Determines the groups and the samples held out. An int gives the same folds at every call
        of ``split``.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or if ``shuffle=False`` comes with a ``random_state``
        or with repeats, on which it would have no effect.

    See Also
    --------
    gzsl_train_test_split : A single split.
    PredefinedSeenUnseenSplit : A published split.
    zslearn.metrics.get_gzsl_scorer : Scorers for these folds.

    Notes
    -----
    With ``n_unseen``, each fold takes the classes that have been unseen least often so far,
    chosen at random among equals: over all folds and repeats, no class is unseen more than once
    more often than another. Then ``n_splits=1`` is allowed.

    Within a repeat, the samples of a class take turns too: none is held out a second time before
    all of its class have been. With the default sizes a sample is held out about once while its
    class stays, and once with its class.

    A class of a single sample takes its turn to be unseen like any other; while it stays, its
    sample is trained on. Classes that are truly unseen have none in ``y``; the scorers of
    :mod:`zslearn.metrics` keep them out of the way.

    ``KFold`` and ``StratifiedKFold`` hold out no classes: their folds say nothing about unseen
    ones.

    Successive halving (``HalvingGridSearchCV``) asks for an int ``random_state``, or
    ``shuffle=False``, and for ``return_train_score=False``: a training part holds no unseen
    class, so its scores are undefined. Let its resource be epochs, ``resource="max_epochs"``,
    which leaves the folds whole. Its default, ``resource="n_samples"``, thins both parts of every
    fold without regard to classes: classes of few samples drop out of training, and then count
    as unseen, and a thinned test part may lack unseen or seen samples, so that a score is
    undefined. If it must be used, set ``min_resources`` so that a fold keeps several samples of
    each class.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning: a comprehensive
       evaluation of the good, the bad and the ugly", TPAMI 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.model_selection import SeenUnseenKFold
    >>> y = np.repeat(["ant", "bee", "cat", "dog"], 5)
    >>> cv = SeenUnseenKFold(2, random_state=0)
    >>> for train, test in cv.split(y, y):
    ...     unseen = np.setdiff1d(y[test], y[train])
    ...     print(f"train on {len(train)}, test on {len(test)}, unseen: {', '.join(unseen)}")
    train on 8, test on 12, unseen: cat, dog
    train on 8, test on 12, unseen: ant, bee

    In a search, on the folds' harmonic mean::

        GridSearchCV(
            CVsCClassifier(),
            {"lambda_sci": [0.2, 2.0]},
            cv=SeenUnseenKFold(random_state=0),
            scoring=gzsl_harmonic_mean_scorer,
        ).fit(X, y, class_attributes=table)
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        n_repeats: int = 1,
        n_unseen: float | None = None,
        test_size: float = 0.2,
        shuffle: bool = True,
        random_state: int | RandomState | None = None,
    ) -> None:
        self.n_splits = n_splits
        self.n_repeats = n_repeats
        self.n_unseen = n_unseen
        self.test_size = test_size
        self.shuffle = shuffle
        self.random_state = random_state
        validate_parameter_constraints(
            _CONSTRAINTS, {name: getattr(self, name) for name in _CONSTRAINTS}, type(self).__name__
        )
        if n_unseen is None and n_splits < 2:
            raise ValueError(
                f"n_splits={n_splits} makes one group of all classes and leaves none to train on; "
                "give 2 or more, or n_unseen."
            )
        if not shuffle and random_state is not None:
            raise ValueError(
                f"random_state={random_state!r} has no effect with shuffle=False; leave it out, or "
                "set shuffle=True."
            )
        if not shuffle and n_repeats > 1:
            raise ValueError(
                f"n_repeats={n_repeats} would repeat the same folds with shuffle=False; leave it "
                "out, or set shuffle=True."
            )

    def split(
        self, X: Any = None, y: ArrayLike | None = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Generate the row indices of the training and test part of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...), default=None
            Samples. Only their number is looked at.
        y : array-like of shape (n_samples,)
            Labels: numbers or strings.
        groups : object, default=None
            Ignored, exists for API compatibility.

        Yields
        ------
        train : ndarray of shape (n_train,) and dtype intp
            Ascending row indices.
        test : ndarray of shape (n_test,) and dtype intp
            Ascending indices of all other rows.

        Raises
        ------
        ValueError
            If ``y`` is None, has fewer classes than there are groups, if a count in ``test_size``
            takes all samples of a class of several, or if no class that stays in a fold has two
            samples.
        """
        warn_groups(groups, self)
        if y is None:
            raise ValueError(
                f"{type(self).__name__} holds out whole classes and needs their labels, but y is "
                "None; call split(X, y)."
            )
        classes = samples_by_class(y)
        if X is not None:
            check_consistent_length(X, y)
        n_classes = len(classes.labels)
        n_test = count_held_out(classes, self.test_size, np.ones(n_classes, dtype=bool))
        rng = check_random_state(self.random_state) if self.shuffle else None
        for fold, unseen in enumerate(self._unseen_groups(n_classes, rng)):
            check_seen_part(n_test, unseen)
            if fold % self.n_splits == 0:
                queues = [_in_turn(rows, rng) for rows in classes.rows]
                taken = np.zeros(n_classes, dtype=np.intp)
            in_test = np.zeros(classes.n_samples, dtype=bool)
            for c, queue in enumerate(queues):
                if unseen[c]:
                    in_test[queue] = True
                else:
                    in_test[queue[(taken[c] + np.arange(n_test[c])) % len(queue)]] = True
                    taken[c] += n_test[c]
            yield np.flatnonzero(~in_test), np.flatnonzero(in_test)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds, over all repeats.

        Parameters
        ----------
        X : object, default=None
            Ignored, exists for API compatibility.
        y : object, default=None
            Ignored, exists for API compatibility.
        groups : object, default=None
            Ignored, exists for API compatibility.

        Returns
        -------
        n_splits : int
            ``n_splits * n_repeats``.
        """
        return self.n_splits * self.n_repeats

    def _unseen_groups(
        self, n_classes: int, rng: RandomState | None
    ) -> Iterator[NDArray[np.bool_]]:
        """Yield which classes are unseen, for each fold of each repeat."""
        numbers = np.arange(n_classes)
        if self.n_unseen is None:
            if n_classes < self.n_splits:
                raise ValueError(
                    f"n_splits={self.n_splits} groups of classes cannot be made of the {n_classes} "
                    "in y; lower n_splits, or give n_unseen, with which classes are unseen more "
                    "than once."
                )
            for _ in range(self.n_repeats):
                for group in np.array_split(_in_turn(numbers, rng), self.n_splits):
                    yield np.isin(numbers, group)
            return
        n_unseen = count_unseen(self.n_unseen, n_classes)
        times = np.zeros(n_classes, dtype=np.intp)
        for _ in range(self.get_n_splits()):
            # The least often unseen first: the counts never differ by more than one.
            group = np.lexsort((_in_turn(numbers, rng), times))[:n_unseen]
            times[group] += 1
            yield np.isin(numbers, group)


def _in_turn(items: NDArray[np.intp], rng: RandomState | None) -> NDArray[np.intp]:
    return items if rng is None else rng.permutation(items)
