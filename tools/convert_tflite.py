"""Runs `seesaw convert_tflite`; see seesaw_keras/cli/convert_tflite.py."""

from seesaw_keras.cli.convert_tflite import run

if __name__ == "__main__":
    run()
