"""The flag --pairs of all commands that verify pairs of images.

>>> from seesaw_keras.cli.support.command import Flags
>>> FLAGS = Flags()
>>> define_pairs_flag(FLAGS, "--data")
>>> _ = FLAGS(["evaluate", "--pairs", "pairs.txt"])
>>> FLAGS.pairs
'pairs.txt'
"""

from seesaw_keras.cli.support.command import Flags

__all__ = ["define_pairs_flag"]


def define_pairs_flag(flag_values: Flags, images: str) -> None:
    """Defines --pairs; `images` is the flag that names the images, such as "--data"."""
    flag_values.DEFINE_string(
        "pairs", None, f"Pair list of LFW (pairs.txt) or CFP (Protocol/Split/FP), if {images} names images."
    )
