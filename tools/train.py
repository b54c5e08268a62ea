"""Runs `seesaw train`; see seesaw_keras/cli/train.py."""

from seesaw_keras.cli.train import run

if __name__ == "__main__":
    run()
