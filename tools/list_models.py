"""Prints what the variants cost and what others publish of their accuracy.

python tools/list_models.py              all variants, a line each
python tools/list_models.py shuffle      one variant, a line for each kind of layer
"""

from tqdm import tqdm

import seesaw_keras
from seesaw_keras import cli


def main(variants: list[str]) -> None:
    """Prints one table of all variants, or a table for each variant that is named."""
    cli.quiet_tensorflow()
    from seesaw_keras.models.summaries import variants_table

    for variant in variants:
        print(seesaw_keras.summary(seesaw_keras.build(variant)), end="\n\n")
    if not variants:
        every = tqdm(seesaw_keras.list_models(), desc="building", unit="variant", leave=False)
        print(variants_table([seesaw_keras.model_info(variant) for variant in every]))


if __name__ == "__main__":
    cli.run(main, takes_arguments=True)
