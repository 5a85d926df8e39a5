"""The simulated world's turns, threads and dice: the same for the same seed, and dead when dead."""

import _thread
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager

import pytest

from imgrepl.testing.faulty import Crashed
from imgrepl.testing.simulation.dice import dice
from imgrepl.testing.simulation.scheduler import Deadlock, Process, Scheduler
from imgrepl.testing.simulation.threads import cooperative_threads


@contextmanager
def scheduled(seed: int = 1) -> Iterator[Scheduler]:
    scheduler = Scheduler(dice(seed))
    try:
        with cooperative_threads(scheduler):
            yield scheduler
    finally:
        scheduler.close()


def run_of(seed: int) -> tuple[list[tuple[int, int]], list[str]]:
    seen = []
    with scheduled(seed) as scheduler:
        lock = threading.Lock()

        def work(number: int) -> int:
            for turn in range(3):
                scheduler.pause(f"{number}.{turn}")
                with lock:
                    seen.append((number, turn))
                    scheduler.sleep(0.1)
            return number

        with ThreadPoolExecutor(3, "work") as pool:
            futures = [pool.submit(work, number) for number in range(5)]
            done, _ = wait(futures, return_when=FIRST_COMPLETED)
            assert done
            assert [future.result() for future in futures] == list(range(5))
        return seen, scheduler.trace


def test_the_same_seed_takes_the_same_steps_and_another_seed_others() -> None:
    assert run_of(1) == run_of(1)
    assert run_of(1)[0] != run_of(2)[0]


def test_every_turn_is_taken_by_some_seed_first() -> None:
    firsts = {run_of(seed)[0][0] for seed in range(40)}
    assert firsts == {(0, 0), (1, 0), (2, 0)}


def test_time_passes_only_when_nobody_can_go_on() -> None:
    with scheduled() as scheduler:
        event = threading.Event()
        waited = []
        thread = threading.Thread(target=lambda: waited.append(event.wait(5)))
        thread.start()
        assert not event.wait(1)
        assert scheduler.now == pytest.approx(1)
        thread.join()
        assert waited == [False]
        assert scheduler.now == pytest.approx(5)


def test_who_waits_for_each_other_is_reported_with_where_they_stand() -> None:
    with scheduled():
        first, second, both = threading.Lock(), threading.Lock(), threading.Event()

        def cross() -> None:
            with second:
                both.set()
                with first:
                    pass

        with first:
            threading.Thread(target=cross, name="crossing").start()
            both.wait()
            with pytest.raises(Deadlock, match=r"crossing: .*test_scheduler"):
                second.acquire()


def test_a_process_that_dies_takes_all_its_threads_with_it() -> None:
    logging.getLogger("concurrent.futures").disabled = True
    done = []
    with scheduled() as scheduler:
        process = Process("victim", crash_in=5)

        def work(number: int) -> None:
            for _ in range(3):
                scheduler.pause("step")
            done.append(number)

        def main() -> None:
            with ThreadPoolExecutor(2, "work") as pool:
                list(pool.map(work, range(4)))

        task = scheduler.spawn(main, name="victim", process=process)
        scheduler.join(task)
        scheduler.drain(process)
        assert isinstance(task.error, Crashed)
        assert process.steps == 5
        assert len(done) <= 1


def test_a_frozen_process_goes_on_where_it_was_when_others_have_gone_ahead() -> None:
    seen = []
    with scheduled() as scheduler:
        frozen = Process("frozen", freeze_in=1, freeze_seconds=100)

        def act(name: str) -> None:
            scheduler.pause("step")
            seen.append((name, scheduler.now))

        tasks = [
            scheduler.spawn(lambda: act("frozen"), name="frozen", process=frozen),
            scheduler.spawn(lambda: act("other"), name="other", process=Process("other")),
        ]
        for task in tasks:
            scheduler.join(task)
    assert seen == [("other", 0.0), ("frozen", 100.0)]


def test_threads_from_outside_get_real_locks() -> None:
    made = []
    with scheduled():
        gate = _thread.allocate_lock()
        gate.acquire()

        def outside() -> None:
            made.append(type(threading.Lock()))
            gate.release()

        _thread.start_new_thread(outside, ())
        gate.acquire()
    assert made == [type(_thread.allocate_lock())]


def test_dice_of_a_seed_fall_the_same_way_on_every_machine() -> None:
    roll = dice(7, 1)
    assert [round(roll(), 6) for _ in range(3)] == [0.307409, 0.073467, 0.219936]


def test_the_dice_of_two_seeds_have_no_number_in_common() -> None:
    """Those of the next seed were once the same numbers, one roll later."""
    rolls = [dice(seed, stream) for seed in range(1, 9) for stream in range(1, 4)]
    fallen = [{roll() for _ in range(200)} for roll in rolls]
    assert len(set().union(*fallen)) == 200 * len(rolls)
