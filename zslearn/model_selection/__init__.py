"""Splitters whose folds hold out whole classes, and views that cut large arrays without copying."""

from zslearn.model_selection._gzsl_train_test_split import GZSLSplit, gzsl_train_test_split
from zslearn.model_selection._predefined import PredefinedSeenUnseenSplit
from zslearn.model_selection._row_view import RowView
from zslearn.model_selection._score_log import ScoreLog
from zslearn.model_selection._seen_unseen_kfold import SeenUnseenKFold

__all__ = [
    "GZSLSplit",
    "PredefinedSeenUnseenSplit",
    "RowView",
    "ScoreLog",
    "SeenUnseenKFold",
    "gzsl_train_test_split",
]
