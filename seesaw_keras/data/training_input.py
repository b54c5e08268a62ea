"""`TrainingInput`: batches of training images as a `tf.data.Dataset` that can start at any (epoch, step).

>>> from seesaw_keras.data.training_input import TrainingInput
>>> faces = TrainingInput("shards", batch_size=192)  # doctest: +SKIP
>>> for images, labels in faces.dataset(epoch=3, step=500).take(1):  # doctest: +SKIP
...     print(images.shape, labels.shape)
(192, 112, 112, 3) (192,)

Every step is computed independently: `BatchOrder` selects its images, random access reads them, and their random
numbers depend only on (seed, epoch, index in the epoch). There is no state to save, and nothing to skip on a restart.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.degradation import UNIFORMS, degrade
from seesaw_keras.data.formats.shards import IndexedShards
from seesaw_keras.data.images import decode_square
from seesaw_keras.data.order import BatchOrder, random_uniforms, random_words
from seesaw_keras.data.records import UNLABELED, Record, Source
from seesaw_keras.data.views import PLAIN, Views, image_key
from seesaw_keras.inference.preprocessing import resize
from seesaw_keras.tflite.conversion.interface import to_float

__all__ = ["TrainingInput"]


class TrainingInput:
    """Training input: shuffled, decoded and augmented images; each worker gets its part of the same global batches.

    Attributes:
        source: the records.
        num_images: number of images.
        num_classes: one more than the largest label; 0 if no image has one.
        unlabeled: whether some images have no label.
        steps_per_epoch: global batches per epoch.

    Args:
        source: the TFRecord shards as a folder or file, or any `Source`.
        batch_size: number of images in a global batch, over all workers.
        image_size: side of the returned images in pixels; square images of another size are resized.
        seed: determines, together with epoch and step, the order of the images and all random augmentations.
        views: geometric augmentations of each image, one of which is chosen at random per step; by default the image
            and its mirror image.
        degrade: probability that an image is degraded (see `degradation.degrade`), after its view was rendered.
        images_per_identity: K for batches of K images each of batch_size / K identities, None for all images in
            random order (see `BatchOrder`).
        drop_remainder: whether the images that do not fill an epoch's last batch are left out of that epoch. If not,
            the last batch is smaller and the dataset's batch dimension is None. Balanced batches are always full.
        num_workers: the number of processes that share each global batch, a divisor of `batch_size`.
        worker: index of this worker, from 0.
        targets: target embeddings, such as a teacher's: numbers (len(views), num_images, d) of the undegraded views,
            or (1, num_images, d) to use the same for an image and its mirror image. May be a memory map. None for
            labels only.

    Raises:
        FileNotFoundError: if there are no such shards.
        ValueError: if the data are damaged or empty, or an argument does not fit them or the others.
    """

    def __init__(
        self,
        source: str | Path | Source,
        *,
        batch_size: int,
        image_size: int = 112,
        seed: int = 0,
        views: Views = PLAIN,
        degrade: float = 0.0,
        images_per_identity: int | None = None,
        drop_remainder: bool = True,
        num_workers: int = 1,
        worker: int = 0,
        targets: npt.NDArray[Any] | None = None,
    ) -> None:
        if not 0 <= worker < num_workers:
            raise ValueError(f"worker must be 0 or more and below num_workers, got worker {worker} of {num_workers}")
        if batch_size % num_workers:
            raise ValueError(
                f"{num_workers} workers cannot share a batch of {batch_size} evenly; choose a multiple of {num_workers}"
            )
        if image_size < 1:
            raise ValueError(f"image_size must be 1 or more, got {image_size}")
        self.source = source if isinstance(source, Source) else IndexedShards(source)
        self._labels = self.source.labels()
        self._order = BatchOrder(
            self._labels,
            batch_size=batch_size,
            seed=seed,
            images_per_identity=images_per_identity,
            drop_remainder=drop_remainder,
            weights=self.source.weights(),
        )
        self.num_images = len(self._labels)
        self.num_classes = int(self._labels.max()) + 1
        self.unlabeled = bool((self._labels == UNLABELED).any())
        self.steps_per_epoch = self._order.steps_per_epoch
        if self.num_classes > self.num_images:  # the classifier would have that many classes
            position = int(self._labels.argmax())
            raise ValueError(
                f"{self.source[position].name}: label {self.num_classes - 1} is too large for "
                f"{self.num_images} images; number the identities from 0 without gaps"
            )
        if targets is not None:
            _check_targets(targets, views, self.num_images)
        self._targets = targets
        self._batch_size = batch_size
        self._image_size = image_size
        self._seed = seed
        self._views = views
        self._degrade = degrade
        self._num_workers = num_workers
        self._worker = worker
        full = drop_remainder or images_per_identity is not None
        self._static_size = batch_size // num_workers if full else None

    def batch_indices(self, epoch: int, step: int) -> npt.NDArray[np.int64]:
        """Returns the positions in `source` of a global batch's images, the same for every worker.

        Args:
            epoch: 0 or more.
            step: 0 or more, below `steps_per_epoch`.

        Returns:
            (batch_size,), fewer in an incomplete last batch. Worker w of n has the images from size * w // n to
            size * (w + 1) // n; if a batch has fewer images than workers, each worker has all of them.

        Raises:
            ValueError: if there is no such step.
        """
        return self._order.batch(epoch, step)

    def load(self, epoch: int, step: int) -> tuple[npt.NDArray[Any], ...]:
        """Reads this worker's part of one batch, without TensorFlow.

        Args:
            epoch: 0 or more.
            step: 0 or more, below `steps_per_epoch`.

        Returns:
            The images, uint8 RGB (n, side, side, 3), their labels, int32 (n,), -1 for none, and, if there are targets,
            those of the views shown, float32 (n, d).

        Raises:
            OSError: if a file cannot be read.
            ValueError: if there is no such step, or a record is damaged, undecodable or not square.
        """
        indices = self.batch_indices(epoch, step)
        start, stop = self._share(len(indices))
        first = step * self._batch_size + start
        words = random_words(self._seed, epoch, first, stop - start)
        views = (words[:, 0] >> np.uint64(32)) * np.uint64(len(self._views)) >> np.uint64(32)
        degraded = (words[:, 1] >> np.uint64(11)) * 2.0**-53 < self._degrade
        images = np.empty((stop - start, self._image_size, self._image_size, 3), np.uint8)
        for index, position in enumerate(indices[start:stop].tolist()):
            record = self._read(position)
            image = self._views.render(decode_square(record), image_key(record.image), int(views[index]))
            if degraded[index]:
                image = degrade(image, random_uniforms(self._seed, epoch, first + index, UNIFORMS))
            images[index] = resize(image, (self._image_size, self._image_size))
        labels = self._labels[indices[start:stop]].astype(np.int32)
        if self._targets is None:
            return images, labels
        versions = np.minimum(views, len(self._targets) - 1).astype(int)
        return images, labels, self._targets[versions, indices[start:stop]].astype(np.float32)

    def _share(self, size: int) -> tuple[int, int]:
        """Returns the start and stop of this worker's part of a batch."""
        # No worker gets an empty batch: TensorFlow's CPU convolutions return the wrong shape for one.
        if size < self._num_workers:
            return 0, size
        return size * self._worker // self._num_workers, size * (self._worker + 1) // self._num_workers

    def _read(self, position: int) -> Record:
        record = self.source[position]
        if record.label != self._labels[position]:
            raise ValueError(
                f"{record.name}: the label is {record.label}, but was {self._labels[position]} when the file was "
                f"opened: the file is damaged or was changed; copy it again, then start again"
            )
        return record

    def dataset(self, *, epoch: int = 0, step: int = 0, epochs: int | None = None) -> Any:
        """Returns a dataset of this worker's batches from a given step on, epoch after epoch.

        It is already sharded, so automatic sharding is off. Under a strategy with several processes, distribute it with
        `strategy.distribute_datasets_from_function`, after `rebatch` to the batch size of one replica if a process has
        several; within one process `experimental_distribute_dataset` splits its batches. Any problem with a record ends
        the iteration with a `tf.errors.InvalidArgumentError` that names the file and record.

        Args:
            epoch: first epoch, from 0.
            step: first step in that epoch, from 0, below `steps_per_epoch`.
            epochs: epoch to stop before (as in Keras' `fit`), None to continue without end.

        Returns:
            A `tf.data.Dataset` of (images, labels): float32 RGB in [-1, 1], (batch_size / num_workers, side, side, 3),
            and int32 (batch_size / num_workers,); with targets of (images, labels, targets), the last float32
            (batch_size / num_workers, d).

        Raises:
            ValueError: if there is no such step.
        """
        import tensorflow as tf

        self._order.check(epoch, step)
        start = epoch * self.steps_per_epoch + step
        numbers = (
            tf.data.Dataset.counter(start)
            if epochs is None
            else tf.data.Dataset.range(start, epochs * self.steps_per_epoch)
        )

        shapes: list[tuple[int, ...]] = [(self._image_size, self._image_size, 3), ()]
        if self._targets is not None:
            shapes.append(self._targets.shape[2:])

        def load(number: npt.NDArray[np.int64]) -> tuple[npt.NDArray[Any], ...]:
            return self.load(*divmod(int(number), self.steps_per_epoch))

        def read(number: Any) -> tuple[Any, ...]:
            batch = tf.numpy_function(load, [number], (tf.uint8, tf.int32, tf.float32)[: len(shapes)])
            for part, shape in zip(batch, shapes, strict=True):
                part.set_shape((self._static_size, *shape))
            images, *others = batch
            return to_float(images), *others

        options = tf.data.Options()
        options.deterministic = True
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        batches = numbers.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def _check_targets(targets: npt.NDArray[Any], views: Views, images: int) -> None:
    allowed = {len(views)} if views.jittered else {1, len(views)}
    if targets.ndim != 3 or targets.shape[0] not in allowed or targets.shape[1] != images:
        versions = " or ".join(map(str, sorted(allowed)))
        raise ValueError(
            f"targets must be ({versions} views, {images} images, length), got {targets.shape}; compute them for this "
            f"data set and these views"
        )
