"""Splitters that hold out whole classes, views of large arrays, and many settings at once."""

from zslearn._training._sampling import EpisodeSampling
from zslearn._training._schedules import StepSchedule
from zslearn._training._stopping import HeldOutStopping
from zslearn.model_selection._data_parallel import data_parallel
from zslearn.model_selection._fit_many import fit_many
from zslearn.model_selection._gzsl_train_test_split import GZSLSplit, gzsl_train_test_split
from zslearn.model_selection._predefined import PredefinedSeenUnseenSplit
from zslearn.model_selection._protocol import GZSLProtocol
from zslearn.model_selection._protocol_results import ProtocolResults
from zslearn.model_selection._protocol_statistics import AverageRanks, PairedDifference
from zslearn.model_selection._row_view import RowView
from zslearn.model_selection._score_log import ScoreLog
from zslearn.model_selection._seen_unseen_kfold import SeenUnseenKFold

__all__ = [
    "AverageRanks",
    "EpisodeSampling",
    "GZSLProtocol",
    "GZSLSplit",
    "HeldOutStopping",
    "PairedDifference",
    "PredefinedSeenUnseenSplit",
    "ProtocolResults",
    "RowView",
    "ScoreLog",
    "SeenUnseenKFold",
    "StepSchedule",
    "data_parallel",
    "fit_many",
    "gzsl_train_test_split",
]
