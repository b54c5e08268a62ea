"""Training pass of a network with reduced memory traffic: the same function of the same variables.

On a CPU, 1x1 convolutions run near peak throughput, and the operators between them are memory-bound. Therefore:

- an uneven pair is computed as one dense convolution, whose kernel has two zero blocks, and one batch normalization:
  no input slices, no output concatenation, and no padding and addition in the gradient;
- the channel shuffle after it becomes a permutation of the kernel's columns and the normalization's parameters;
- swish, together with the means and factors of a following squeeze-excite, is one pass over memory in each direction
  (`fast_ops`).

>>> import seesaw_keras
>>> network = seesaw_keras.build("shuffle")
>>> forward = FastForward(network)
>>> embeddings = forward(images, training=True)  # doctest: +SKIP
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.models.layers import ChannelShuffle, ChannelSlice
from seesaw_keras.training.fast.fast_ops import COMPILED, activate, activate_and_gate

__all__ = ["FastForward"]


class FastForward:
    """Training forward pass of a network, using its variables and updating its moving statistics.

    Layers that match no rule are called unchanged, as are pairs with batch normalization synchronized over replicas.

    Args:
        network: a flat functional model with one input and one output, such as those from `seesaw_keras.build`.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        self._input, self._output = network.input_names[0], network.output_names[0]
        graph = _Graph(network)
        for name in list(graph.sources):
            _fuse_pair(graph, name)
            _fuse_gate(graph, name)
        self._steps = graph.steps

    @property
    def trainable_variables(self) -> list[Any]:
        """The network's trainable variables."""
        return self._network.trainable_variables

    def __call__(self, images: Any, training: bool = False) -> Any:
        """Returns the network's output; calls the network itself if `training` is False."""
        if not training:
            return self._network(images, training=False)
        outputs = {self._input: images}
        for name, step in self._steps.items():
            outputs[name] = step.compute(*(outputs[source] for source in step.sources))
        return outputs[self._output]


class _Step(NamedTuple):
    """A computation and the names of the layers whose outputs it takes."""

    compute: Callable[..., Any]
    sources: list[str]


class _Graph:
    """A network's layers by name, in topological order, and the steps that compute their outputs.

    Attributes:
        layers: layers by name.
        sources: names of each layer's input layers; empty for the network's input.
        steps: steps by layer name. Fusing several layers keeps only the step of the last one.
    """

    def __init__(self, network: Any) -> None:
        self.layers = {layer.name: layer for layer in network.layers}
        self.sources = {
            name: [source.name for source in tf.nest.flatten(layer.inbound_nodes[0].inbound_layers)]
            for name, layer in self.layers.items()
        }
        self.steps = {name: _Step(_unfused(self.layers[name]), of) for name, of in self.sources.items() if of}

    def users(self, name: str) -> list[str]:
        """Returns the names of the layers that consume a layer's output."""
        return [user for user, sources in self.sources.items() if name in sources]

    def only_user(self, name: str, *kinds: Any) -> str | None:
        """Returns the only consumer of a layer's output if it is of one of these types, otherwise None."""
        users = self.users(name)
        return users[0] if len(users) == 1 and isinstance(self.layers[users[0]], kinds) else None


def _unfused(layer: Any) -> Callable[..., Any]:
    """Returns a callable that computes a single, unfused layer."""
    if isinstance(layer, COMPILED):
        return lambda x: activate(type(layer), x)
    training = {"training": True} if "training" in inspect.signature(layer.call).parameters else {}
    return lambda *inputs: layer(inputs[0] if len(inputs) == 1 else list(inputs), **training)


class _Branch(NamedTuple):
    """One branch of an uneven pair."""

    slice_layer: Any
    conv: Any
    bn: Any
    activation: Any | None


def _fuse_pair(graph: _Graph, name: str) -> None:
    """Fuses the pair that ends in a concatenation, including the following shuffle if there is one."""
    if not isinstance(graph.layers[name], keras.layers.Concatenate):
        return
    branches = [_branch(graph, source) for source in graph.sources[name]]
    found = [branch for branch in branches if branch is not None]
    inputs = {graph.sources[branch.slice_layer.name][0] for branch in found}
    if len(found) < len(branches) or len(inputs) > 1:
        return
    last = graph.only_user(name, *COMPILED) or name
    shuffle = graph.only_user(last, ChannelShuffle)
    groups = graph.layers[shuffle].groups if shuffle else 1
    graph.steps[name] = _Step(_Pair(found, groups), [*inputs])
    if shuffle:
        graph.steps[shuffle] = _Step(tf.identity, [last])
    for layer in (layer for branch in found for layer in branch if layer is not None):
        del graph.steps[layer.name]


def _branch(graph: _Graph, name: str) -> _Branch | None:
    """Matches slice, convolution, normalization and optional ReLU ending at a layer; None if they do not match."""
    names = [name]
    while len(names) < 4 and graph.sources[names[-1]]:
        names.append(graph.sources[names[-1]][0])
    layers = [graph.layers[name] for name in names if len(graph.users(name)) == 1]
    activation = layers.pop(0) if layers and isinstance(layers[0], keras.layers.ReLU) else None
    kinds = (keras.layers.BatchNormalization, keras.layers.Conv2D, ChannelSlice)
    if len(layers) < 3 or not all(map(isinstance, layers, kinds)) or not layers[0].fused:
        return None
    bn, conv, slice_layer = layers[:3]
    return _Branch(slice_layer, conv, bn, activation)


class _Pair:
    """An uneven pair (slices, convolutions, normalization, optional ReLU, concatenation, shuffle) as one convolution.

    Args:
        branches: the branches in concatenation order.
        groups: groups of the shuffle; 1 for no shuffle.
    """

    def __init__(self, branches: Sequence[_Branch], groups: int) -> None:
        self._branches = branches
        self._groups = groups

    def __call__(self, x: Any) -> Any:
        channels = x.shape[-1]
        kernel = self._join(
            [
                tf.pad(
                    branch.conv.kernel,
                    ((0, 0), (0, 0), (branch.slice_layer.start, channels - branch.slice_layer.stop), (0, 0)),
                )
                for branch in self._branches
            ]
        )
        y = self._normalize(tf.nn.conv2d(x, tf.cast(kernel, x.dtype), 1, "VALID"))
        activation = self._branches[0].activation
        return activation(y) if activation else y

    def _normalize(self, x: Any) -> Any:
        bns = [branch.bn for branch in self._branches]
        gamma, beta = self._join([bn.gamma for bn in bns]), self._join([bn.beta for bn in bns])
        # Like Keras, use the moving statistics if the layer is frozen.
        trains = all(bn.trainable for bn in bns)
        fixed = []
        if not trains:
            fixed = [self._join([bn.moving_mean for bn in bns]), self._join([bn.moving_variance for bn in bns])]
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            x, gamma, beta, *fixed, epsilon=bns[0].epsilon, is_training=trains
        )
        if trains:
            for bn, batch_mean, batch_variance in zip(bns, self._part(mean), self._part(variance), strict=True):
                for moving, new in ((bn.moving_mean, batch_mean), (bn.moving_variance, batch_variance)):
                    moving.assign_sub((moving - new) * (1 - bn.momentum))
        return y

    def _join(self, parts: Sequence[Any]) -> Any:
        """Concatenates along the last axis and applies the shuffle."""
        joined = tf.concat(parts, -1)
        if self._groups == 1:
            return joined
        return tf.reshape(tf.stack(tf.split(joined, self._groups, -1), -1), joined.shape)

    def _part(self, joined: Any) -> list[Any]:
        """Splits a vector into the branches' parts; inverse of `_join`."""
        if self._groups > 1:
            joined = tf.concat(tf.unstack(tf.reshape(joined, (-1, self._groups)), axis=-1), 0)
        return tf.split(joined, [branch.conv.filters for branch in self._branches])


def _fuse_gate(graph: _Graph, name: str) -> None:
    """Fuses a squeeze-excite, which ends in a multiplication, with the preceding activation."""
    if not isinstance(graph.layers[name], keras.layers.Multiply):
        return
    x, *gate = graph.sources[name]
    while graph.sources[gate[-1]] and not isinstance(graph.layers[gate[-1]], keras.layers.GlobalAveragePooling2D):
        gate.append(graph.sources[gate[-1]][0])
    if graph.sources[gate[-1]] != [x] or len(graph.users(x)) != 2 or not isinstance(graph.layers[x], COMPILED):
        return
    excite = [_as_matmul(graph.layers[layer]) for layer in reversed(gate[:-1])]
    kind = type(graph.layers[x])

    def compute(inputs: Any) -> Any:
        return activate_and_gate(kind, inputs, lambda mean: functools.reduce(lambda y, layer: layer(y), excite, mean))

    graph.steps[name] = _Step(compute, graph.sources[x])
    for layer in (x, *gate):
        del graph.steps[layer]


def _as_matmul(layer: Any) -> Callable[[Any], Any]:
    """Returns a callable for inputs (batch, 1, 1, channels); computes 1x1 convolutions as matrix products.

    A matrix product has less overhead than a convolution.
    """
    if type(layer) is not keras.layers.Conv2D or layer.kernel_size != (1, 1):
        return layer

    def compute(x: Any) -> Any:
        y = tf.matmul(tf.squeeze(x, (1, 2)), tf.cast(layer.kernel[0, 0], x.dtype))
        if layer.use_bias:
            y = tf.nn.bias_add(y, tf.cast(layer.bias, x.dtype))
        return layer.activation(tf.reshape(y, (-1, 1, 1, layer.filters)))

    return compute
