"""Int8 flatbuffers for devices: conversion, reading and writing, runtimes and the check that they agree."""

__all__: list[str] = []
