"""Runs `seesaw evaluate`; see seesaw_keras/cli/evaluate.py."""

from seesaw_keras.cli.evaluate import run

if __name__ == "__main__":
    run()
