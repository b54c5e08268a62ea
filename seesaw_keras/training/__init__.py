"""The trainer, strategies, schedules, distillation and recipes."""
