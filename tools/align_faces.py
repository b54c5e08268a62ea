"""Runs `seesaw align_faces`; see seesaw_keras/cli/align_faces.py."""

from seesaw_keras.cli.align_faces import run

if __name__ == "__main__":
    run()
