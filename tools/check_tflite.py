"""Runs `seesaw check_tflite`; see seesaw_keras/cli/check_tflite.py."""

from seesaw_keras.cli.check_tflite import run

if __name__ == "__main__":
    run()
