"""Runs `seesaw embed_dataset`; see seesaw_keras/cli/embed_dataset.py."""

from seesaw_keras.cli.embed_dataset import run

if __name__ == "__main__":
    run()
