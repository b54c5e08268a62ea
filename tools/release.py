"""Runs `seesaw release`; see seesaw_keras/cli/release.py."""

from seesaw_keras.cli.release import run

if __name__ == "__main__":
    run()
