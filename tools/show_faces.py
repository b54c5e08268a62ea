"""Runs `seesaw show_faces`; see seesaw_keras/cli/show_faces.py."""

from seesaw_keras.cli.show_faces import run

if __name__ == "__main__":
    run()
