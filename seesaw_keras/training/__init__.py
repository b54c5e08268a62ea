"""The trainer, strategies, schedules, distillation and recipes."""

__all__: list[str] = []
