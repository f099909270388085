"""Layers of the zoo, for anybody's functional model."""

from keras_din.layers.attention_sequence_pooling import AttentionSequencePoolingLayer
from keras_din.layers.dice import Dice
from keras_din.layers.embedding import Embedding
from keras_din.layers.mlp import MLP
from keras_din.layers.pack import Pack
from keras_din.layers.sequence_pooling import SequencePoolingLayer

__all__ = [
    "AttentionSequencePoolingLayer",
    "Dice",
    "Embedding",
    "MLP",
    "Pack",
    "SequencePoolingLayer",
]
