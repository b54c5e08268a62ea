"""Runs `seesaw verify_faces`; see seesaw_keras/cli/verify_faces.py."""

from seesaw_keras.cli.verify_faces import run

if __name__ == "__main__":
    run()
