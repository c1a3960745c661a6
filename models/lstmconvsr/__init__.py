"""LSTMConvSR: joint long- and short-range modelling, LSTM first and convolutions next."""

from rssr.models.lstmconvsr.mlstm import mlstm
from rssr.models.lstmconvsr.network import LSTMConvSR

__all__ = ["LSTMConvSR", "mlstm"]
