"""Layers of the models, for use in any functional model."""

from keras_din.layers.affine import Affine
from keras_din.layers.attention_sequence_pooling import AttentionSequencePoolingLayer
from keras_din.layers.bag_embedding import BagEmbedding
from keras_din.layers.bag_pooling import BagPooling, PackBag
from keras_din.layers.batch_normalization import BatchNormalization
from keras_din.layers.behavior_transformer import BehaviorTransformer
from keras_din.layers.bias import Bias
from keras_din.layers.calibration import Calibration
from keras_din.layers.click_probability import ClickProbability
from keras_din.layers.cross_network import CrossNetwork
from keras_din.layers.dice import Dice
from keras_din.layers.embedding import Embedding
from keras_din.layers.frozen_vectors import FrozenVectors
from keras_din.layers.gather_rows import GatherRows
from keras_din.layers.interest_evolution import InterestEvolution
from keras_din.layers.interest_extractor import InterestExtractor
from keras_din.layers.item_logits import ItemLogits
from keras_din.layers.known_indices import KnownIndices
from keras_din.layers.mlp import MLP
from keras_din.layers.mmoe import MMoE
from keras_din.layers.number_output import NumberOutput
from keras_din.layers.pack_sequence import PackSequence
from keras_din.layers.ple import PLE
from keras_din.layers.position_bias import PositionBias
from keras_din.layers.product_logits import ProductLogits
from keras_din.layers.ragged_to_dense import RaggedToDense
from keras_din.layers.sequence_pooling import SequencePooling
from keras_din.layers.standardize import Standardize
from keras_din.layers.transform_numbers import TransformNumbers
from keras_din.layers.uncertainty_weights import UncertaintyWeights
from keras_din.layers.zero_missing_vectors import ZeroMissingVectors
from keras_din.recalibration import Recalibration

__all__ = [
    "Affine",
    "AttentionSequencePoolingLayer",
    "BagEmbedding",
    "BagPooling",
    "BatchNormalization",
    "BehaviorTransformer",
    "Bias",
    "Calibration",
    "ClickProbability",
    "CrossNetwork",
    "Dice",
    "Embedding",
    "FrozenVectors",
    "InterestEvolution",
    "InterestExtractor",
    "ItemLogits",
    "KnownIndices",
    "MLP",
    "MMoE",
    "NumberOutput",
    "PLE",
    "PackBag",
    "PackSequence",
    "PositionBias",
    "ProductLogits",
    "RaggedToDense",
    "Recalibration",
    "SequencePooling",
    "Standardize",
    "TransformNumbers",
    "UncertaintyWeights",
    "GatherRows",
    "ZeroMissingVectors",
]
