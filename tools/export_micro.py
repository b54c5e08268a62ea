"""Runs `seesaw export_micro`; see seesaw_keras/cli/export_micro.py."""

from seesaw_keras.cli.export_micro import run

if __name__ == "__main__":
    run()
