"""Face verification by standard protocols: metrics, comparisons and thresholds. Does not import TensorFlow.

>>> from seesaw_keras.data.sources import open_pairs
>>> from seesaw_keras.verification import evaluate, load_embedder
>>> pairs = open_pairs("lfw_view2_aligned112.zip", "pairs.txt")  # doctest: +SKIP
>>> result = evaluate(load_embedder("model.tflite", preprocess="raw"), pairs)  # doctest: +SKIP
>>> result.ten_fold.accuracy, result.bootstrap.intervals["accuracy"]  # doctest: +SKIP
(0.9937, (0.991, 0.996))
"""

from seesaw_keras.inference.embedders import Embedder, StoredEmbeddings, load_embedder, load_embedder_or_stored
from seesaw_keras.verification.comparison import Comparison, compare, mcnemar
from seesaw_keras.verification.evaluation import Verification, embed_images, evaluate, latency_ms, measure
from seesaw_keras.verification.metrics import auc, d_prime, equal_error_rate, roc, tar_at_far
from seesaw_keras.verification.protocols import identify, interleaved, ten_fold, unit
from seesaw_keras.verification.threshold_calibration import calibrate, choose_threshold, store_calibration

__all__ = [
    "Comparison",
    "Embedder",
    "StoredEmbeddings",
    "Verification",
    "auc",
    "calibrate",
    "choose_threshold",
    "compare",
    "d_prime",
    "embed_images",
    "equal_error_rate",
    "evaluate",
    "identify",
    "interleaved",
    "latency_ms",
    "load_embedder",
    "load_embedder_or_stored",
    "mcnemar",
    "measure",
    "roc",
    "store_calibration",
    "tar_at_far",
    "ten_fold",
    "unit",
]
