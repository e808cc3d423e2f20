"""The finished answers of the model server: each is made once, however many ask for it at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from crimepatterns.serving.model_server.snapshot import Answers
from crimepatterns.serving.payloads import Payload


def test_a_crowd_that_asks_for_the_same_makes_it_once() -> None:
    answers, made, together = Answers(1_000), [], threading.Barrier(8)

    def make() -> Payload:
        made.append(1)
        time.sleep(0.05)
        return Payload(b"x" * 100, None, "tag", "text/plain")

    def ask(_: int) -> Payload:
        together.wait()
        return answers.make("key", make)

    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(ask, range(8)))
    assert len(made) == 1
    assert all(one is told[0] for one in told)


def test_those_asked_for_last_stay() -> None:
    answers = Answers(250)
    for key in "abc":
        answers.make(key, lambda: Payload(b"x" * 100, None, "tag", "text/plain"))
        answers.find("a")
    assert [answers.find(key) is not None for key in "abc"] == [True, False, True]
