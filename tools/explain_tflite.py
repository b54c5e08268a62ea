"""Runs `seesaw explain_tflite`; see seesaw_keras/cli/explain_tflite.py."""

from seesaw_keras.cli.explain_tflite import run

if __name__ == "__main__":
    run()
