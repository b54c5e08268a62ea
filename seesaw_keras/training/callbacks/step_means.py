"""Running means of step metrics, for callbacks that do not report every step.

>>> from seesaw_keras.training.callbacks.step_means import StepMeans
>>> from seesaw_keras.training.callbacks.callback import StepLog
>>> averages = StepMeans()
>>> averages.add(StepLog(1, 0.1, loss=3.0, learning_rate=0.1, images_per_second=20.0))
>>> averages.add(StepLog(2, 0.2, loss=1.0, learning_rate=0.1, images_per_second=60.0))
>>> averages.take()
{'step': 2, 'epoch': 0.2, 'loss': 2.0, 'learning_rate': 0.1, 'images_per_second': 30.0}
"""

from seesaw_keras.training.callbacks.callback import StepLog

__all__ = ["StepMeans"]


class StepMeans:
    """Accumulates step reports and returns their means."""

    def __init__(self) -> None:
        self._reports: list[StepLog] = []

    def __len__(self) -> int:
        return len(self._reports)

    def add(self, report: StepLog) -> None:
        """Adds the metrics of a step."""
        self._reports.append(report)

    def take(self) -> dict[str, float]:
        """Returns the means since the last call and resets; empty if there was no step.

        Returns:
            "step", "epoch" and "learning_rate" of the last step, the means of "loss" and of the statistics, and
            "images_per_second" over the total time of the steps.
        """
        reports, self._reports = self._reports, []
        if not reports:
            return {}
        last = reports[-1]
        gathered: dict[str, list[float]] = {}
        for report in reports:
            for name, value in report.statistics.items():
                gathered.setdefault(name, []).append(value)
        seconds_per_image = sum(1 / report.images_per_second for report in reports if report.images_per_second > 0)
        return {
            "step": last.step,
            "epoch": last.epoch,
            "loss": sum(report.loss for report in reports) / len(reports),
            "learning_rate": last.learning_rate,
            "images_per_second": len(reports) / seconds_per_image if seconds_per_image else 0.0,
            **{name: sum(values) / len(values) for name, values in gathered.items()},
        }
