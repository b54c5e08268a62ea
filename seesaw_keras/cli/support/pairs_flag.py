"""The flag --pairs of all commands that verify pairs of images.

>>> from absl import flags
>>> FLAGS = flags.FlagValues()
>>> define_pairs_flag(FLAGS, "--data")
>>> _ = FLAGS(["evaluate", "--pairs", "pairs.txt"])
>>> FLAGS.pairs
'pairs.txt'
"""

from absl import flags

__all__ = ["define_pairs_flag"]

flags.disclaim_key_flags()  # they belong to the calling command, whose --help shows them


def define_pairs_flag(flag_values: flags.FlagValues, images: str) -> None:
    """Defines --pairs; `images` is the flag that names the images, such as "--data"."""
    flags.DEFINE_string(
        "pairs",
        None,
        f"Pair list of LFW (pairs.txt) or CFP (Protocol/Split/FP), if {images} names images.",
        flag_values=flag_values,
    )
