"""Runs `seesaw prepare_data`; see seesaw_keras/cli/prepare_data.py."""

from seesaw_keras.cli.prepare_data import run

if __name__ == "__main__":
    run()
