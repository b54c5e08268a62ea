"""The images of the self-test, entry by entry."""

import numpy as np

from seesaw_keras.tflite.micro.golden import golden_images


def test_images():
    images = golden_images(8, 6)
    assert images.shape == (4, 8, 6, 3)
    assert images.dtype == np.uint8
    assert not images[0].any()
    assert (images[1] == 255).all()
    for y in range(8):
        for x in range(6):
            for channel in range(3):
                assert images[2, y, x, channel] == (2 * x + 3 * y + 64 * channel) % 256
                # After n steps of s -> a s + c, from 1 on: a^n + c (a^n - 1) / (a - 1).
                a, c, n = 1664525, 1013904223, 3 * (6 * y + x) + channel + 1
                assert images[3, y, x, channel] == (a**n + c * (a**n - 1) // (a - 1)) % 2**32 >> 24
