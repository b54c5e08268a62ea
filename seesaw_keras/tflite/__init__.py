"""Int8 flatbuffers for devices: conversion, reading and writing, runtimes and equivalence checks between them."""

__all__: list[str] = []
