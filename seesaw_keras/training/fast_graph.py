"""A network's training pass, computed with fewer passes over memory: the same function of the same variables.

On a CPU the 1x1 products run near the machine's peak; what lies between them waits for memory. So here

- an uneven pair is one dense product whose kernel has two blocks of zeros, with one batch normalisation: no slices of
  the input, no concatenation of the output, and in the gradient nothing to pad and to add up;
- the channel shuffle after it is the order of that kernel's columns and of the normalisation's parameters;
- swish, and swish with squeeze-excite's pooling and scaling, are one pass each way, compiled by XLA.

>>> import seesaw_keras
>>> from seesaw_keras.training.fast_graph import FastNetwork
>>> network = seesaw_keras.build("shuffle")
>>> fast = FastNetwork(network)  # train `fast`; `network` has the same variables
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.models.layers import ChannelShuffle, ChannelSlice, Swish

__all__ = ["FastNetwork"]

_Compute = Callable[..., Any]


class FastNetwork(keras.Model):
    """A network of `seesaw_keras.build` (or any flat functional model) with a faster training pass.

    Layers that no rule knows run as they are; so does the whole network outside of training.

    Args:
        network: the model, whose variables this one shares: all of its weights are the network's, in its order.
    """

    def __init__(self, network: Any) -> None:
        super().__init__(name=f"fast_{network.name}")
        self.network = network
        self._plan = _plan(network)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Computes what the network computes."""
        if not training:
            return self.network(inputs, training=False)
        tensors = {_key(self.network.inputs[0]): inputs}
        for compute, sources, target in self._plan:
            tensors[target] = compute(*(tensors[source] for source in sources))
        return tensors[_key(self.network.outputs[0])]


def _key(tensor: Any) -> str:
    """Names the layer that a symbolic tensor comes from."""
    return tensor.node.layer.name if hasattr(tensor, "node") else tensor._keras_history.layer.name


def _plan(network: Any) -> list[tuple[_Compute, list[str], str]]:
    """Returns the steps in order: what to compute, from the outputs of which layers, in the place of which layer's."""
    layers = {layer.name: layer for layer in network.layers}
    sources = {}
    for layer in network.layers:
        node = layer.inbound_nodes[0]
        sources[layer.name] = [source.name for source in tf.nest.flatten(node.inbound_layers)]
    users: dict[str, list[str]] = {}
    for name, names in sources.items():
        for source in names:
            users.setdefault(source, []).append(name)
    steps: dict[str, tuple[_Compute, list[str]]] = {
        name: (_as_it_is(layers[name]), names) for name, names in sources.items() if names
    }

    def is_a(name: str, kind: Any) -> bool:
        return isinstance(layers[name], kind)

    def only_user(name: str) -> str | None:
        return users[name][0] if len(users.get(name, [])) == 1 else None

    for name in sources:
        if is_a(name, Swish):
            steps[name] = (swish, sources[name])
        if is_a(name, keras.layers.Concatenate):
            branches = []
            for bn in sources[name]:
                conv = sources[bn][0]
                piece = sources[conv][0] if sources.get(conv) else ""
                if (
                    is_a(bn, keras.layers.BatchNormalization)
                    and is_a(conv, keras.layers.Conv2D)
                    and is_a(piece, ChannelSlice)
                ):
                    branches.append((layers[piece], layers[conv], layers[bn]))
            if len(branches) != len(sources[name]):
                continue
            x = sources[branches[0][0].name]
            user = only_user(name)
            shuffle = None
            if user and is_a(user, Swish):
                after = only_user(user)
                if after and is_a(after, ChannelShuffle):
                    shuffle = layers[after]
                    steps[after] = (lambda t: t, [user])
            steps[name] = (_UnevenPair(branches, shuffle), x)
            for piece, conv, bn in branches:
                for gone in (piece.name, conv.name, bn.name):
                    del steps[gone]
        if is_a(name, keras.layers.Multiply):
            act, gate = sources[name]
            chain = [gate]
            while sources[chain[-1]][0] != act:
                chain.append(sources[chain[-1]][0])
            chain.reverse()
            if (
                is_a(act, Swish)
                and is_a(chain[0], keras.layers.GlobalAveragePooling2D)
                and set(users[act]) == {name, chain[0]}
            ):
                steps[name] = (_Gated([layers[x] for x in chain[1:]]), sources[act])
                for gone in (act, *chain):
                    steps.pop(gone)
    return [(steps[name][0], steps[name][1], name) for name in sources if name in steps]


def _as_it_is(layer: Any) -> _Compute:
    def compute(*inputs: Any) -> Any:
        x = inputs[0] if len(inputs) == 1 else list(inputs)
        if isinstance(layer, keras.layers.BatchNormalization):
            return layer(x, training=True)
        return layer(x)

    return compute


class _UnevenPair:
    def __init__(self, branches: list, shuffle: Any) -> None:
        self.branches, self.shuffle = branches, shuffle
        self.channels = None

    def _joined(self, parts: list[Any]) -> Any:
        joined = tf.concat(parts, -1)
        if self.shuffle is None:
            return joined
        groups, size = self.shuffle.groups, joined.shape[-1]
        shape = joined.shape[:-1]
        rows = tf.reshape(joined, (-1, groups, size // groups))
        return tf.reshape(tf.transpose(rows, (0, 2, 1)), (*shape, size))

    def _parted(self, joined: Any) -> list[Any]:
        sizes = [conv.filters for _, conv, _ in self.branches]
        if self.shuffle is not None:
            joined = tf.reshape(tf.transpose(tf.reshape(joined, (-1, self.shuffle.groups))), (-1,))
        return tf.split(joined, sizes)

    def __call__(self, x: Any) -> Any:
        channels = x.shape[-1]
        kernels = [
            tf.pad(conv.kernel[0, 0], ((piece.start, channels - piece.stop), (0, 0)))
            for piece, conv, _ in self.branches
        ]
        kernel = tf.cast(self._joined(kernels), x.dtype)
        y = tf.nn.conv2d(x, kernel[None, None], 1, "VALID")
        bns = [bn for _, _, bn in self.branches]
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            y,
            self._joined([bn.gamma for bn in bns]),
            self._joined([bn.beta for bn in bns]),
            epsilon=bns[0].epsilon,
        )
        for bn, m, v in zip(bns, self._parted(mean), self._parted(variance), strict=True):
            bn.moving_mean.assign_sub((bn.moving_mean - m) * (1 - bn.momentum))
            bn.moving_variance.assign_sub((bn.moving_variance - v) * (1 - bn.momentum))
        return y


@tf.function(jit_compile=True)
def _swish(x: Any) -> Any:
    wide = tf.cast(x, tf.float32)
    return tf.cast(wide * tf.sigmoid(wide), x.dtype)


def _slope(x: Any) -> Any:
    s = tf.sigmoid(x)
    return s * (1.0 + x * (1.0 - s))


@tf.function(jit_compile=True)
def _swish_gradient(x: Any, dy: Any) -> Any:
    return tf.cast(tf.cast(dy, tf.float32) * _slope(tf.cast(x, tf.float32)), x.dtype)


@tf.custom_gradient
def swish(x: Any) -> Any:
    return _swish(x), lambda dy: _swish_gradient(x, dy)


@tf.function(jit_compile=True)
def _swish_and_mean(x: Any) -> Any:
    wide = tf.cast(x, tf.float32)
    y = tf.cast(wide * tf.sigmoid(wide), x.dtype)
    return y, tf.reduce_mean(y, (1, 2), keepdims=True)


@tf.function(jit_compile=True)
def _scale(x: Any, gate: Any) -> Any:
    return x * gate


@tf.function(jit_compile=True)
def _gated_gradient(x: Any, gate: Any, dy: Any, dpooled: Any) -> Any:
    wide = tf.cast(x, tf.float32)
    area = x.shape[1] * x.shape[2]
    dswish = tf.cast(dy * gate, tf.float32) + tf.cast(dpooled, tf.float32) / area
    return tf.cast(dswish * _slope(wide), x.dtype)


class _Gated:
    def __init__(self, excite: list) -> None:
        self.excite = excite

    def __call__(self, x: Any) -> Any:
        @tf.custom_gradient
        def gated(x: Any) -> Any:
            y, pooled = _swish_and_mean(x)
            with tf.GradientTape() as tape:
                tape.watch(pooled)
                gate = pooled
                for layer in self.excite:
                    gate = layer(gate)

            def gradient(dy: Any, variables: Any = None) -> Any:
                dgate = tf.reduce_sum(dy * y, (1, 2), keepdims=True)
                dpooled, *dvariables = tape.gradient(gate, [pooled, *variables], dgate)
                return _gated_gradient(x, gate, dy, dpooled), dvariables

            return _scale(y, gate), gradient

        return gated(x)
