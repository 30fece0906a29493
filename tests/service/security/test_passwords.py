"""Password hashes: strong, and never so many at once that they fill the memory."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from deephealth.service.problems import ServiceProblem
from deephealth.service.security.passwords import LONGEST, SHORTEST, Passwords


def test_a_hash_knows_its_password_and_no_other() -> None:
    passwords = Passwords()
    hashed = passwords.hash("correct horse")
    assert hashed.startswith("$argon2id$v=19$m=32768,t=3,p=1$") and not passwords.outdated(hashed)
    assert passwords.right("correct horse", hashed) and not passwords.right("correct horsf", hashed) and not passwords.right("", hashed)


def test_a_name_that_does_not_exist_is_checked_with_the_same_parameters() -> None:
    passwords = Passwords(memory_kib=64, passes=1)
    assert not passwords.right("anything", None)
    assert passwords._nobody.split("$")[:4] == passwords.hash("correct horse").split("$")[:4]
    assert len(passwords._nobody) == len(passwords.hash("correct horse"))
    assert passwords.outdated(Passwords(memory_kib=128, passes=1).hash("correct horse"))


@pytest.mark.parametrize("length", [0, SHORTEST - 1, LONGEST + 1, 100_000])
def test_a_password_too_short_or_too_long_is_refused(length: int) -> None:
    with pytest.raises(ServiceProblem) as refused:
        Passwords().hash("x" * length)
    assert refused.value.code == "password-length"


def test_a_burst_of_sign_ins_takes_the_memory_of_one_and_turns_the_rest_away() -> None:
    passwords, process = Passwords(), psutil.Process()
    hashed = passwords.hash("correct horse")
    before, most, done = process.memory_info().rss, [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            most[0] = max(most[0], process.memory_info().rss - before)

    def one(_: int) -> bool | int:
        try:
            return passwords.right("correct horse", hashed)
        except ServiceProblem as problem:
            return problem.status

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(one, range(40)))
    done.set()
    watcher.join()
    assert set(answers) == {True, 429}
    assert 16 << 20 < most[0] < 60 << 20  # one hash takes 32 MiB
