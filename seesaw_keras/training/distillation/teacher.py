"""`teacher_targets()`: embeddings of one or more teachers for every view of every image, cached on disk.

>>> from seesaw_keras.data import TrainingInput, Views, open_source
>>> from seesaw_keras.training.distillation.teacher import teacher_targets
>>> from seesaw_keras.inference.embedders import load_embedder
>>> source, views = open_source("faces_emore"), Views(jittered=4)  # doctest: +SKIP
>>> teachers = [load_embedder("a.onnx"), load_embedder("b.tflite", preprocess="127.5/128")]  # doctest: +SKIP
>>> targets = teacher_targets(teachers, source, "cache", views=views, size=512)  # doctest: +SKIP
>>> faces = TrainingInput(source, batch_size=192, views=views, targets=targets)  # doctest: +SKIP
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.images import decode_square
from seesaw_keras.data.mixture import Mixture
from seesaw_keras.data.records import Source
from seesaw_keras.data.views import PLAIN, Views, image_key
from seesaw_keras.files import replacing
from seesaw_keras.inference.embedders import Embedder, StoredEmbeddings, load_embedder_or_stored
from seesaw_keras.inference.preprocessing import resize
from seesaw_keras.training.distillation.block_cache import BlockCache

__all__ = ["load_teachers", "principal_axes", "teacher_embeddings", "teacher_targets"]

IMAGES_AT_ONCE = 64
SAMPLE = 256  # number of records hashed to identify a data set
PCA_ROWS = 8192
ROWS_AT_ONCE = 4096

Rows = npt.NDArray[np.float32]
Progress = Callable[[int], Any]


def load_teachers(
    paths: Sequence[str | Path], preprocesses: Sequence[str] | None = None
) -> list[Embedder | StoredEmbeddings]:
    """Loads teachers that use all cores, see `load_embedder_or_stored`.

    Args:
        paths: models, or files of embeddings.
        preprocesses: input preprocessing of each; None for the default.

    Raises:
        ValueError: if the number of preprocesses is not that of teachers, or as `load_embedder_or_stored`.
    """
    chosen: Sequence[str | None] = preprocesses or [None] * len(paths)
    if len(chosen) != len(paths):
        raise ValueError(f"preprocess: got {len(chosen)} for {len(paths)} teachers; give one for each")
    threads = os.cpu_count() or 1
    return [
        load_embedder_or_stored(path, preprocess=how, threads=threads) for path, how in zip(paths, chosen, strict=True)
    ]


def teacher_targets(
    teachers: Sequence[Embedder | StoredEmbeddings],
    source: Source,
    cache_dir: str | Path,
    *,
    size: int,
    views: Views = PLAIN,
    progress: Progress | None = None,
) -> npt.NDArray[np.float16]:
    """Returns the distillation targets for a student of a given embedding size; computes only what is not cached.

    The unit embeddings of several teachers are concatenated, so the cosine of two targets is the mean of the teachers'
    cosines. If the concatenation is longer than the student's embeddings, it is projected onto its first principal
    axes, which preserve the cosines best. The data sets of a `Mixture` are embedded and cached separately, so adding
    one does not invalidate the others.

    Args:
        teachers: models, or embeddings from a file, see `load_embedder_or_stored`.
        source: the images.
        cache_dir: cache folder, created if necessary. It can be shared by any number of teachers and data sets.
        size: the student's embedding size.
        views: the views of each image.
        progress: called with a number of newly completed images per teacher, first with those found in the cache; the
            total is the number of images times the number of teachers.

    Returns:
        A read-only float16 memory map (views, images, at most `size`) with rows of unit length in source order;
        (1, images, ...) if all teachers are stored embeddings.

    Raises:
        OSError: if the cache cannot be written or an image file cannot be read.
        ValueError: if the source is empty; an image is damaged, not square or has no stored embedding; a teacher
            returns a non-finite value or is an in-memory Keras model, which has no cache key.
    """
    parts = source.parts if isinstance(source, Mixture) else (source,)
    rows = [
        [teacher_embeddings(one, part, cache_dir, views=views, progress=progress) for one in teachers] for part in parts
    ]
    length = sum(one.shape[2] for one in rows[0])
    if len(teachers) == len(parts) == 1 and length <= size:
        return rows[0][0]
    caches = [Path(str(one.filename)).name for part in rows for one in part]
    key = hashlib.sha256(json.dumps([caches, size]).encode()).hexdigest()[:16]
    path = Path(cache_dir) / f"{key}.targets.npy"
    if not path.exists():
        with replacing(path) as beside:
            _write_targets(beside, rows, min(length, size))
    return np.load(path, mmap_mode="r")


def _write_targets(path: Path, parts: Sequence[Sequence[np.memmap]], size: int) -> None:
    views = max(len(one) for one in parts[0])
    images = sum(part[0].shape[1] for part in parts)
    sample = [_joined(part, 0, rows) for part, rows in zip(parts, _sample(parts), strict=True)]
    axes = principal_axes(np.concatenate(sample), size)
    made = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(views, images, size))
    for view in range(views):
        start = 0
        for part in parts:
            for chunk in _chunks(part[0].shape[1]):
                made[view, start + chunk.start : start + chunk.stop] = _unit(_joined(part, view, chunk) @ axes)
            start += part[0].shape[1]
    made.flush()


def _sample(parts: Sequence[Sequence[np.memmap]]) -> Iterator[slice]:
    """Yields the rows of each part used to compute the principal axes: evenly spaced, about PCA_ROWS in total."""
    step = -(-sum(part[0].shape[1] for part in parts) // PCA_ROWS)
    for _ in parts:
        yield slice(None, None, step)


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + ROWS_AT_ONCE, count)) for start in range(0, count, ROWS_AT_ONCE))


def _joined(teachers: Sequence[np.memmap], view: int, rows: slice) -> Rows:
    """Returns the concatenated unit embeddings of all teachers; stored embeddings have one view for all."""
    joined = np.concatenate([_unit(one[min(view, len(one) - 1), rows]) for one in teachers], axis=1)
    return joined / np.float32(np.sqrt(len(teachers)))


def _unit(rows: npt.NDArray[np.floating]) -> Rows:
    rows = np.asarray(rows, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), np.float32(1e-12))


def principal_axes(rows: Rows, size: int) -> Rows:
    """Returns the orthonormal axes (length, size) that preserve most of the rows' squared norm.

    The rows are not centered: among all projections to `size` dimensions this one changes their inner products least
    (Eckart-Young). Returns the identity if `size` equals `length`.

    Args:
        rows: (n, length).
        size: at most `length`.
    """
    if size == rows.shape[1]:
        return np.eye(size, dtype=np.float32)
    _, axes = np.linalg.eigh(rows.astype(np.float64).T @ rows)
    return axes[:, ::-1][:, :size].astype(np.float32)


def teacher_embeddings(
    embedder: Embedder | StoredEmbeddings,
    source: Source,
    cache_dir: str | Path,
    *,
    views: Views = PLAIN,
    progress: Progress | None = None,
) -> np.memmap:
    """Returns one teacher's embeddings of all images of a source; computes only what is not cached.

    The teacher gets the images of `TrainingInput` before degradation, at its own input size. If interrupted, the next
    call continues after the last complete block. Every block is checked against its checksum before use, and damaged
    blocks are recomputed. If two processes request the same embeddings, one computes them and the other waits.

    Args:
        embedder: the teacher.
        source: the images; rows are in source order.
        cache_dir: cache folder, created if necessary.
        views: the views of each image to embed.
        progress: called with a number of newly completed images, first with those found in the cache.

    Returns:
        A read-only float16 memory map (views, images, d) of unit rows. Stored embeddings have a single view,
        (1, images, d), which `TrainingInput` uses for an image and its mirror image.

    Raises:
        OSError, ValueError: as for `teacher_targets`; also if jittered views are requested for stored embeddings.
    """
    if not len(source):
        raise ValueError("there are no images to embed")
    count = len(views)
    if isinstance(embedder, StoredEmbeddings):
        if views.jittered:
            raise ValueError(
                f"{embedder.name}: stored embeddings do not support jittered views; give a model, or no views"
            )
        count = 1
    cache = BlockCache(Path(cache_dir), _facts(embedder, source, views, count), views=count, images=len(source))
    report = progress or (lambda count: None)
    if cache.is_complete():
        report(len(source))
    else:
        with cache.locked():
            missing = cache.missing()
            report(len(source) - sum(len(cache.images_of(block)) for block in missing))
            if missing:
                _fill(cache, missing, embedder, source, views, report)
            cache.finish()
    return cache.rows()


def _facts(embedder: Embedder | StoredEmbeddings, source: Source, views: Views, count: int) -> dict[str, Any]:
    """Returns everything the embeddings depend on, as JSON."""
    teacher = {name: fact for name, fact in embedder.describe().items() if name != "name"}
    if "sha256" not in teacher:
        raise ValueError(f"{embedder.name}: an in-memory model has no cache key: save it, then load the file")
    return {"teacher": teacher, "views": views.describe() if count > 1 else None, "data": _fingerprint(source)}


def _fingerprint(source: Source) -> dict[str, Any]:
    """Returns a fingerprint of all labels and of the names and bytes of evenly spaced records."""
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
    views: Views,
    report: Progress,
) -> None:
    with ThreadPoolExecutor(thread_name_prefix="decode") as threads:
        if isinstance(embedder, StoredEmbeddings):
            embed = _look_up(embedder, source)
        else:
            embed = _run(embedder, source, views, threads)
        for block in missing:
            images, parts = cache.images_of(block), []
            for start in range(0, len(images), IMAGES_AT_ONCE):
                part = images[start : start + IMAGES_AT_ONCE]
                rows = embed(part)
                bad = ~np.isfinite(rows).all(axis=(0, 2))
                if bad.any():
                    name = source[part[int(bad.argmax())]].name
                    raise ValueError(f"{name}: {embedder.name} returned a non-finite embedding")
                parts.append(_unit(rows))
                report(len(part))
            cache.write(block, np.concatenate(parts, axis=1))


def _look_up(embedder: StoredEmbeddings, source: Source) -> Callable[[range], Rows]:
    """Returns a function from indices to the stored embeddings, (1, n, d)."""
    stored = np.asarray(embedder.lookup([record.name for record in source]), np.float32)
    return lambda images: stored[None, images.start : images.stop]


def _run(embedder: Embedder, source: Source, views: Views, threads: Executor) -> Callable[[range], Rows]:
    """Returns a function from indices to the model's embeddings, (views, n, d)."""
    side = max(embedder.input_size)  # a model with 112x96 input gets the center crop of 112x112

    def render(position: int) -> npt.NDArray[np.uint8]:
        record = source[position]
        image, key = decode_square(record), image_key(record.image)
        return np.stack([resize(views.render(image, key, view), (side, side)) for view in range(len(views))])

    def embed(images: range) -> Rows:
        shown = np.stack(list(threads.map(render, images)), axis=1)
        return embedder.embed(shown.reshape(-1, side, side, 3)).reshape(len(views), len(images), -1)

    return embed
