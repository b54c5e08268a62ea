"""Runs `seesaw gallery`; see seesaw_keras/cli/gallery.py."""

from seesaw_keras.cli.gallery import run

if __name__ == "__main__":
    run()
