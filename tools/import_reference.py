"""Runs `seesaw import_reference`; see seesaw_keras/cli/import_reference.py."""

from seesaw_keras.cli.import_reference import run

if __name__ == "__main__":
    run()
