"""Runs `seesaw pipeline`; see seesaw_keras/cli/pipeline.py."""

from seesaw_keras.cli.pipeline import run

if __name__ == "__main__":
    run()
