"""Prints the cost of the network variants and their published accuracies.

seesaw list_models              all variants, one line each
seesaw list_models shuffle      one variant, one line per kind of layer
"""

from absl import flags
from tqdm import tqdm

import seesaw_keras
from seesaw_keras.cli.support.command import Command
from seesaw_keras.cli.support.startup import quiet_tensorflow

__all__ = ["run"]


def main(variants: list[str]) -> None:
    """Prints a table of all variants, or one table for each named variant."""
    quiet_tensorflow()
    from seesaw_keras.models.summaries import variants_table

    for variant in variants:
        print(seesaw_keras.summary(seesaw_keras.build(variant)), end="\n\n")
    if not variants:
        every = tqdm(seesaw_keras.list_models(), desc="building", unit="variant", leave=False)
        print(variants_table([seesaw_keras.model_info(variant) for variant in every]))


run = Command(main, flags.FlagValues(), positional=True)
