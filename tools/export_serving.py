"""Runs `seesaw export_serving`; see seesaw_keras/cli/export_serving.py."""

from seesaw_keras.cli.export_serving import run

if __name__ == "__main__":
    run()
