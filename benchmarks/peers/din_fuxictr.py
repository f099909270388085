"""The DIN of FuxiCTR, on PyTorch. The model is in its repository, see `install.py`."""

import logging
import os
import sys
import tempfile
from collections import OrderedDict
from importlib.metadata import version

import torch

sys.path.insert(0, os.path.join(sys.prefix, "model_zoo_din"))
from fuxictr.features import FeatureMap
from harness.process import task_main
from src.DIN import DIN

from peers.tasks import make_tasks

logging.disable(logging.CRITICAL)
NAMES = {
    "item_id": "item_id",
    "cate_id": "cate_id",
    "hist_item_id": "click_history",
    "hist_cate_id": "cate_history",
}


def feature_map(items, categories, dim, length, folder):
    one = {"type": "categorical", "padding_idx": 0}
    many = {"type": "sequence", "padding_idx": 0, "max_len": length, "feature_encoder": None}
    features = FeatureMap("benchmark", folder)
    features.labels, features.num_fields, features.default_emb_dim = ["label"], 4, dim
    features.features = OrderedDict(
        item_id={**one, "source": "item", "vocab_size": items},
        cate_id={**one, "source": "item", "vocab_size": categories},
        click_history={
            **many,
            "source": "user",
            "vocab_size": items,
            "share_embedding": "item_id",
        },
        cate_history={
            **many,
            "source": "user",
            "vocab_size": categories,
            "share_embedding": "cate_id",
        },
    )
    features.set_column_index()
    return features


def build(items, categories, dim, length):
    with tempfile.TemporaryDirectory() as folder:  # Where the model would save itself.
        model = DIN(
            feature_map(items, categories, dim, length, folder),
            dnn_hidden_units=[80, 40],
            dnn_activations="Sigmoid",
            attention_hidden_units=[80, 40],
            attention_hidden_activations="Sigmoid",
            din_use_softmax=True,
            embedding_dim=dim,
            din_target_field=[("item_id", "cate_id")],
            din_sequence_field=[("click_history", "cate_history")],
            learning_rate=1e-3,
            optimizer="adam",
            loss="binary_crossentropy",
            task="binary_classification",
            metrics=["AUC"],
            verbose=0,
            model_root=folder,
            gpu=0,  # Used where there is one, else the CPU.
        )
    model._max_gradient_norm = 10.0  # The value that its `fit` sets.
    return model


def tensors(batches):
    """A list of batches in the form of FuxiCTR's data loader."""
    return [
        {
            **{theirs: torch.from_numpy(batches[ours][i]).long() for ours, theirs in NAMES.items()},
            "label": torch.from_numpy(batches["label"][i]),
        }
        for i in range(len(batches["label"]))
    ]


def repeat(function, batches):
    batches, done = tensors(batches), 0

    def steps(number):
        nonlocal done
        for _ in range(number):
            function(batches[done % len(batches)])
            done += 1
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return steps


def train_function(model, batches):
    model.train()
    return repeat(model.train_step, batches)


def predict_function(model, batches):
    model.eval()

    @torch.no_grad()
    def predict(batch):
        return model(batch)["y_pred"].cpu().numpy()

    return repeat(predict, batches)


def score_function(model, inputs):
    """Scores in eager PyTorch: there is no SavedModel."""
    model.eval()
    batch = {theirs: torch.from_numpy(inputs[ours]).long() for ours, theirs in NAMES.items()}
    batch["label"] = torch.zeros(len(inputs["item_id"]))

    @torch.no_grad()
    def call():
        return model(batch)["y_pred"].cpu().numpy()

    return call


VERSIONS = {"FuxiCTR": f"{version('fuxictr')} on PyTorch {torch.__version__}"}
TASKS = make_tasks(
    build,
    train_function,
    predict_function,
    VERSIONS,
    score_function=score_function,
    is_keras=False,
)

if __name__ == "__main__":
    task_main(**TASKS)
