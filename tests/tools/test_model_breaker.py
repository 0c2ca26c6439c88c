"""An endpoint that failed again and again is left alone for a while, and then tried once."""

from tools.model_breaker import Breaker


def test_breaker_lets_one_request_try_after_its_pause() -> None:
    breaker = Breaker(most_failures=2, pause_s=30)
    for at in (0.0, 1.0):
        breaker.failed(at)

    assert [breaker.lets_through(at) for at in (1.0, 30.0, 31.0, 32.0, 60.9)] == [False, False, True, False, False]
    breaker.succeeded()
    assert breaker.lets_through(33.0)
