"""Runs `seesaw list_models`; see seesaw_keras/cli/list_models.py."""

from seesaw_keras.cli.list_models import run

if __name__ == "__main__":
    run()
