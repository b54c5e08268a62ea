"""Runs `seesaw report_run`; see seesaw_keras/cli/report_run.py."""

from seesaw_keras.cli.report_run import run

if __name__ == "__main__":
    run()
