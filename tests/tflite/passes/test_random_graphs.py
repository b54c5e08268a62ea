"""Whatever the graph, and whatever passes in whatever order: no output integer changes."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.tflite.passes import (
    deduplicate,
    flatten_depthwise,
    fold_shuffles,
    merge_pairs,
    split_streams,
    spread_prelu,
)

PASSES = (merge_pairs, fold_shuffles, split_streams, flatten_depthwise, spread_prelu, deduplicate)


class Drawn:
    """A network of blocks like seesaw's, in which everything may be there or not, and be cut anywhere."""

    def __init__(self, draw, new_net, type):
        self.draw = draw
        self.net = new_net(
            seed=self.number(0, 1 << 16), size=self.number(1, 4), channels=4 * self.number(1, 3), type=type
        )
        self.seen = []
        self.usual = {}  # where blocks cut: residual streams are best cut at the same positions

    def number(self, low, high):
        return self.draw(st.integers(low, high))

    def chance(self, percent=50):
        return self.number(0, 99) < percent

    def choice(self, things):
        return self.draw(st.sampled_from(things))

    def bounds(self, count):
        """Where to cut so many channels into one to three parts."""
        if count in self.usual and self.chance(70):
            return self.usual[count]
        inner = self.draw(st.lists(st.integers(1, count - 1), max_size=2, unique=True)) if count > 1 else []
        self.usual[count] = list(pairwise([0, *sorted(inner), count]))
        return self.usual[count]

    def convolution(self, x, filters):
        kernel = 3 if self.chance(20) else 1
        return self.net.conv(x, filters, kernel, self.choice(["NONE", "RELU"]))

    def mixed(self, x, filters):
        """Convolutions of slices, concatenated; or a single one of everything."""
        ends = self.bounds(filters)
        kind = self.number(0, 3)
        if kind == 0:
            return self.net.conv(x, filters)
        if kind == 1:  # of the whole, each
            return self.net.join(*(self.net.conv(x, end - begin) for begin, end in ends))
        cuts = self.bounds(x.shape[3])
        if kind == 2 and len(cuts) > 1:
            parts = self.net.split(x, *(end - begin for begin, end in cuts))
        else:
            parts = [self.net.cut(x, *cut) for cut in cuts]
        same = self.chance(80)
        made = [
            self.net.conv(part, end - begin) if same else self.convolution(part, end - begin)
            for part, (begin, end) in zip(parts * 3, ends, strict=False)
        ]
        return made[0] if len(made) == 1 else self.net.join(*made)

    def channelwise(self, x):
        kind = self.number(0, 7)
        net = self.net
        if kind == 5:
            return net.depthwise(x)
        if kind == 6:
            return net.binary("MUL", x, net.constant((1, 1, 1, x.shape[3]), 0, 0.5))
        if kind == 7 and x.shape[1] < 8:
            return net.pad(x)
        unary = (
            net.swish,
            net.prelu,
            lambda x: net.unary("RELU", x),
            lambda x: net.unary("HARD_SWISH", x, 1),
            lambda x: x,
        )
        return unary[min(kind, 4)](x)

    def shuffled(self, x):
        channels = x.shape[3]
        groups = [n for n in range(2, channels) if channels % n == 0]
        return self.net.shuffle(x, self.choice(groups), self.chance()) if groups else x

    def block(self, x):
        y = self.mixed(x, self.number(2, 12))
        for _ in range(self.number(0, 4)):
            y = self.choice([self.channelwise, self.channelwise, self.shuffled, self.look])(y)
        if self.chance(30):
            y = self.net.squeeze_excite(y)
        y = self.mixed(y, x.shape[3])
        return self.net.binary("ADD", x, y) if y.shape == x.shape and self.chance(80) else y

    def look(self, x):
        """Adds another consumer of the value."""
        if self.chance(30):
            self.seen.append(x if self.chance() else self.net.mean(x))
        return x

    def model(self):
        x = self.mixed(self.net.image, 4 * self.number(1, 3))
        for _ in range(self.number(1, 3)):
            x = self.block(x)
        end = self.number(0, 2)
        if end == 1:
            x = self.net.depthwise(x, x.shape[1], "VALID")
        elif end == 2:
            x = self.net.dense(self.net.mean(x), 5)
        return self.net.model(*dict.fromkeys([x, *self.seen]))


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=150)
@given(data=st.data(), type=st.sampled_from(["INT8", "INT8", "FLOAT32"]))
def test_outputs_stay_the_same(new_net, applied, data, type):
    passes = data.draw(st.lists(st.sampled_from(PASSES), min_size=1, max_size=5), label="passes")
    model = Drawn(data.draw, new_net, type).model()
    applied(model, *passes)
