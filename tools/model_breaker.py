"""Whether an endpoint that failed again and again is asked at all."""

from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    """Opens after so many failures in a row; after a pause lets one request try, whose end decides for all.

    Times are a monotonic clock's, in seconds.
    """

    most_failures: int = 5
    pause_s: float = 30.0
    _failures: int = 0
    _closed_at: float = 0.0

    def lets_through(self, now: float) -> bool:
        if self._failures < self.most_failures:
            return True
        if now < self._closed_at:
            return False
        # The next one waits, too, unless this one succeeds.
        self._closed_at = now + self.pause_s
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, now: float) -> None:
        self._failures += 1
        if self._failures >= self.most_failures:
            self._closed_at = now + self.pause_s
