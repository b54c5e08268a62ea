"""What the tests of preparation read."""

import csv

import pytest


@pytest.fixture(scope="session")
def table():
    """Function: path of a CSV file -> its rows as dictionaries."""

    def read(path):
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return read
