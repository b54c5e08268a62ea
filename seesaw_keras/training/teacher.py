"""`teacher_embeddings()`: what a teacher says of every image of a data set, computed once and kept on disk.

>>> from seesaw_keras.data import TrainingInput, open_source
>>> from seesaw_keras.training.teacher import teacher_embeddings
>>> from seesaw_keras.verification.embedders import load_embedder
>>> source, teacher = open_source("faces_emore"), load_embedder("teacher.onnx", preprocess="127.5/128")
>>> targets = teacher_embeddings(teacher, source, "cache")
>>> faces = TrainingInput(source, batch_size=192, targets=targets)
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.pipeline import square_image
from seesaw_keras.data.records import Source
from seesaw_keras.training.block_cache import BlockCache
from seesaw_keras.verification.embedders import Embedder, StoredEmbeddings

__all__ = ["teacher_embeddings"]

IMAGES_AT_ONCE = 64
SAMPLE = 256  # records that are compared byte by byte to tell one data set from another

Rows = npt.NDArray[np.float32]


def teacher_embeddings(
    embedder: Embedder | StoredEmbeddings,
    source: Source,
    cache_dir: str | Path,
    *,
    flip: bool = True,
    progress: Callable[[int], Any] | None = None,
) -> np.memmap:
    """Returns the embeddings of all images of a source, from the cache as far as they are there.

    The teacher sees what `TrainingInput` shows before augmentation, at the teacher's own input size. When this is
    stopped, however that happens, the next call goes on after the last whole block. Every block is compared with its
    checksum before the cache is used, and a damaged one is computed again. Where two processes ask for the same
    embeddings, one computes and the other waits.

    Args:
        embedder: the teacher: a model or embeddings from a file, see `load_embedder`.
        source: the images; the rows are in its order.
        cache_dir: folder of the cache, made if it is not there. It may serve any number of teachers and data sets.
        flip: whether to embed the mirrored images too.
        progress: called with a number of images each time some are done, first with those found in the cache.

    Returns:
        A read-only float32 memory map: (1, images, d), or (2, images, d) with the mirrored images second. Stored
        embeddings know no mirrored images: they are (1, images, d), which `TrainingInput` uses for both.

    Raises:
        OSError: if the cache cannot be written, or an image's file not be read.
        ValueError: if the source is empty, an image is damaged, not square or has no stored embedding, the teacher
            gives a number that is not finite, or is a Keras model that was not loaded from a file and so has no key.
    """
    if not len(source):
        raise ValueError("there are no images to embed")
    mirrored = flip and not isinstance(embedder, StoredEmbeddings)
    cache = BlockCache(Path(cache_dir), _facts(embedder, source, mirrored), versions=1 + mirrored, images=len(source))
    report = progress or (lambda count: None)
    if cache.whole():
        report(len(source))
    else:
        with cache.locked():
            missing = cache.missing()
            report(len(source) - sum(len(cache.images_of(block)) for block in missing))
            if missing:
                _fill(cache, missing, embedder, source, mirrored, report)
            cache.finish()
    return cache.rows()


def _facts(embedder: Embedder | StoredEmbeddings, source: Source, mirrored: bool) -> dict[str, Any]:
    """Returns all that the embeddings follow from, as JSON."""
    teacher = {name: fact for name, fact in embedder.describe().items() if name != "name"}
    if "sha256" not in teacher:
        raise ValueError(f"{embedder.name}: a model in memory has no key for the cache: save it, then load the file")
    return {"teacher": teacher, "mirrored": mirrored, "data": _fingerprint(source)}


def _fingerprint(source: Source) -> dict[str, Any]:
    """Tells data sets apart by all labels, and by names and bytes of records spread evenly over them."""
    sample = hashlib.sha256()
    for position in np.unique(np.linspace(0, len(source) - 1, SAMPLE).astype(int)).tolist():
        record = source[position]
        for part in (record.name.encode(), record.image):
            sample.update(len(part).to_bytes(8, "little") + part)
    labels = np.ascontiguousarray(source.labels(), "<i8")
    return {
        "images": len(source),
        "sha256_of_labels": hashlib.sha256(labels.data).hexdigest(),
        "sha256_of_sample": sample.hexdigest(),
    }


def _fill(
    cache: BlockCache,
    missing: Sequence[int],
    embedder: Embedder | StoredEmbeddings,
    source: Source,
    mirrored: bool,
    report: Callable[[int], Any],
) -> None:
    with ThreadPoolExecutor(thread_name_prefix="decode") as threads:
        if isinstance(embedder, StoredEmbeddings):
            embed = _look_up(embedder, source)
        else:
            embed = _run(embedder, source, mirrored, threads)
        for block in missing:
            images, parts = cache.images_of(block), []
            for start in range(0, len(images), IMAGES_AT_ONCE):
                part = images[start : start + IMAGES_AT_ONCE]
                rows = embed(part)
                bad = ~np.isfinite(rows).all(axis=(0, 2))
                if bad.any():
                    name = source[part[int(bad.argmax())]].name
                    raise ValueError(f"{name}: {embedder.name} gives it an embedding that is not finite")
                parts.append(rows)
                report(len(part))
            cache.write(block, np.concatenate(parts, axis=1))


def _look_up(embedder: StoredEmbeddings, source: Source) -> Callable[[range], Rows]:
    """Returns a function from positions to the stored embeddings, (1, n, d)."""
    stored = np.asarray(embedder.of([record.name for record in source]), np.float32)
    return lambda images: stored[None, images.start : images.stop]


def _run(embedder: Embedder, source: Source, mirrored: bool, threads: Executor) -> Callable[[range], Rows]:
    """Returns a function from positions to the model's embeddings, (1 or 2, n, d)."""
    side = max(embedder.input_size)  # a model of 112x96 is shown the middle of 112x112

    def embed(images: range) -> Rows:
        shown = np.stack(list(threads.map(lambda position: square_image(source[position], side), images)))
        views = (shown, shown[:, :, ::-1]) if mirrored else (shown,)
        return np.stack([embedder.embed(view) for view in views])

    return embed
