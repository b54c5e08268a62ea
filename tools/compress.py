"""Runs `seesaw compress`; see seesaw_keras/cli/compress.py."""

from seesaw_keras.cli.compress import run

if __name__ == "__main__":
    run()
