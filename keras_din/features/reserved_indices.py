"""The indices that every table of embeddings reserves."""

PADDING_INDEX = 0
OOV_INDEX = 1
NUM_RESERVED = 2  # Known values start here.
