"""Command-line interface: one module per command, each with its flags, `main` and `run`.

`seesaw COMMAND --flag value` and `python -m seesaw_keras.cli COMMAND` run them, and so do the scripts in tools/.

>>> from seesaw_keras.cli.list_models import run
>>> run(["shuffle"])  # doctest: +SKIP
"""

__all__: list[str] = []
