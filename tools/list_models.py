"""Prints the cost of the network variants and their published accuracies.

python tools/list_models.py              all variants, one line each
python tools/list_models.py shuffle      one variant, one line per kind of layer
"""

from tqdm import tqdm

import seesaw_keras
from seesaw_keras import cli


def main(variants: list[str]) -> None:
    """Prints a table of all variants, or one table for each named variant."""
    cli.quiet_tensorflow()
    from seesaw_keras.models.summaries import variants_table

    for variant in variants:
        print(seesaw_keras.summary(seesaw_keras.build(variant)), end="\n\n")
    if not variants:
        every = tqdm(seesaw_keras.list_models(), desc="building", unit="variant", leave=False)
        print(variants_table([seesaw_keras.model_info(variant) for variant in every]))


if __name__ == "__main__":
    cli.run(main, takes_arguments=True)
