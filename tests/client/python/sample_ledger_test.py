# SPDX-License-Identifier: Apache-2.0
"""The ledger by itself: responses that end elsewhere than the fake server's do."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from backpropd import Trained
from backpropd.replica.arrays import floats_to
from backpropd.sample_ledger import SampleLedger
from backpropd.sample_message import MESSAGE_BYTES
from backpropd.samples import Samples
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from naive_contract import layout_of

BATCH = 2
X = np.arange(36, dtype="f4").reshape(12, 3)
SAMPLES_TARGETS = np.zeros((12, 2), dtype="<f4")
SAMPLES = Samples(X, SAMPLES_TARGETS, None)


@pytest.fixture
def ledger(spec: pb.SessionSpec) -> SampleLedger:
    spec.batch_size = BATCH
    spec.durability.mode = pb.DURABILITY_MODE_DURABLE
    made = SampleLedger(spec, layout_of(spec), rpc.DELTA_DETAIL_NONE, keep_deltas=True)
    made.opened(at(0, epoch=1))
    return made


def at(step: int, *, epoch: int, durable: int = 0) -> rpc.TrainResponse:
    """An opening."""
    return rpc.TrainResponse(
        base_step=step, step=step, next_offset=BATCH * step, epoch=epoch, durable_offset=BATCH * durable
    )


def answer(number: int, base: int, step: int, *, mark: float, durable: int = 0) -> rpc.TrainResponse:
    """Steps whose numbers tell which they are, and in which life."""
    response = at(step, epoch=1, durable=durable)
    response.message_number, response.base_step = number, base
    marks = [each + mark for each in range(base + 1, step + 1)]
    response.errors.extend(marks)
    response.gradient_norms.extend(marks)
    response.outputs = floats_to(np.repeat(np.array(marks, dtype="f4"), 2 * BATCH))
    for each in range(base + 1, step + 1):
        response.digests.add(step=each, digest=int(100 * (each + mark)))
    return response


def hurried(ledger: SampleLedger, messages: int) -> list[bool]:
    """Whether each of so many messages is to be answered when it is durable."""
    for _ in range(messages):
        ledger.add(SAMPLES)
    return [request.when_durable for request in ledger.take_unsent()]


def told(ledger: SampleLedger, response: rpc.TrainResponse, *, done: bool = False) -> Trained | None:
    """What a response says to the user."""
    response.message_done = done
    taken = ledger.answer(response)
    assert taken is not None
    return taken.trained


@pytest.mark.parametrize("back", range(6))
def test_an_answer_that_a_crash_took_back_in_its_middle_is_completed(ledger: SampleLedger, back: int) -> None:
    ledger.add(SAMPLES)
    ledger.take_unsent()
    told(ledger, answer(1, 0, 5, mark=0))
    assert ledger.opened(at(back, epoch=2)) == []
    assert ledger.samples_to_send == 12 - BATCH * back
    assert [request.offset for request in ledger.take_unsent()] == [0]
    again = answer(1, back, 6, mark=0.5)
    again.skipped_samples = BATCH * back
    whole = told(ledger, again, done=True)
    assert whole is not None
    marks = [step + 0.5 * (step > back) for step in range(1, 7)]
    assert whole.errors.tolist() == whole.gradient_norms.tolist() == marks
    assert whole.outputs[:, 0].tolist() == np.repeat(marks, BATCH).tolist()
    assert whole.digests == {step: int(100 * mark) for step, mark in zip(range(1, 7), marks, strict=True)}
    assert (whole.base_step, whole.step, whole.skipped_samples, whole.samples) == (0, 6, 0, 12)


def test_answers_lost_twice_are_added_up(ledger: SampleLedger) -> None:
    ledger.add(SAMPLES)
    ledger.take_unsent()
    ledger.opened(at(2, epoch=1))  # the answers to two steps are lost
    ledger.take_unsent()
    one = answer(1, 2, 3, mark=0)
    one.skipped_samples = 2 * BATCH
    told(ledger, one)
    ledger.opened(at(5, epoch=1))  # and to two more
    ledger.take_unsent()
    last = answer(1, 5, 6, mark=0)
    last.skipped_samples = 5 * BATCH
    whole = told(ledger, last, done=True)
    assert whole is not None
    assert (whole.errors.tolist(), whole.skipped_samples) == ([3, 6], 4 * BATCH)


def test_held_answers_that_are_cut_elsewhere_are_told_once(ledger: SampleLedger, spec: pb.SessionSpec) -> None:
    row = layout_of(spec).delta_row_length
    ledger.add(SAMPLES)
    (request,) = ledger.take_unsent()
    assert request.received_offset == 0
    whole = None
    for base, step, mark in ((0, 3, 0), (0, 2, 0.5), (2, 5, 0.25), (3, 6, 0.125)):
        response = answer(1, base, step, mark=mark)
        response.deltas = floats_to(np.repeat(np.array(response.errors, dtype="f4"), row))
        whole = told(ledger, response, done=step == 6)
        if step == 3:
            assert ledger.opened(at(6, epoch=1)) == []
            assert (ledger.step, ledger.samples_to_send, ledger.resumed_at) == (3, 6 * BATCH - 3 * BATCH, 3)
            (request,) = ledger.take_unsent()
            assert (request.offset, request.received_offset) == (0, 0)
    assert whole is not None
    marks = [1, 2, 3, 4.25, 5.25, 6.125]
    assert whole.errors.tolist() == whole.gradient_norms.tolist() == whole.deltas[:, -1].tolist() == marks
    assert whole.outputs[:, 0].tolist() == np.repeat(marks, BATCH).tolist()
    assert (whole.base_step, whole.step, whole.skipped_samples, whole.samples) == (0, 6, 0, 12)
    assert whole.deltas.shape == (6, row)
    ledger.opened(at(6, epoch=1))
    assert (ledger.samples_to_send, ledger.resumed_at, ledger.next_offset) == (0, None, 12)


@pytest.mark.parametrize(("step", "epoch", "lost"), [(6, 1, 0), (7, 1, 0), (6, 2, 1), (7, 2, 1), (12, 2, 2)])
def test_answers_are_asked_for_again_in_the_same_epoch_only(
    ledger: SampleLedger, step: int, epoch: int, lost: int
) -> None:
    for _ in range(2):
        ledger.add(SAMPLES)
    ledger.take_unsent()
    assert [trained.skipped_samples for trained in ledger.opened(at(step, epoch=epoch))] == [12] * lost
    assert (ledger.epoch, ledger.resumed_at) == (epoch, 0 if epoch == 1 else None)
    assert [request.offset for request in ledger.take_unsent()] == [0, 12][lost:]


def test_a_session_that_went_back_in_its_epoch_is_brought_forward(ledger: SampleLedger) -> None:
    ledger.add(SAMPLES)
    ledger.take_unsent()
    told(ledger, answer(1, 0, 6, mark=0), done=True)
    assert ledger.opened(at(4, epoch=1)) == []
    assert (ledger.resumed_at, ledger.samples_to_send) == (None, 2 * BATCH)


def test_samples_are_kept_until_they_are_durable_and_no_longer(ledger: SampleLedger) -> None:
    for _ in range(3):
        ledger.add(SAMPLES)
    ledger.take_unsent()
    size = ledger.kept_bytes
    assert size > 3 * X.nbytes
    for number in range(1, 4):
        told(ledger, answer(number, 6 * number - 6, 6 * number, mark=0, durable=0), done=True)
    assert (ledger.unanswered, ledger.waits, ledger.kept_bytes, ledger.is_durable) == (0, False, size, False)
    news = at(18, epoch=1, durable=7)
    news.durable_news, news.message_number = True, 3
    assert ledger.answer(news) is None
    assert ledger.kept_bytes == size * 2 // 3
    ledger.opened(at(7, epoch=2, durable=7))
    assert (ledger.unanswered, ledger.waits, ledger.samples_to_send) == (0, True, 11 * BATCH)
    assert [request.offset for request in ledger.take_unsent()] == [12, 24]
    for number, base, skipped in ((1, 7, BATCH), (2, 12, 0)):
        again = answer(number, base, 6 * number + 6, mark=0, durable=18)
        again.skipped_samples = skipped
        assert told(ledger, again, done=True) is None
    assert ledger.repeated_samples == 11 * BATCH
    assert (ledger.kept_bytes, ledger.is_durable) == (0, True)


def test_a_commit_is_hurried_each_time_that_so_much_was_added(spec: pb.SessionSpec) -> None:
    spec.durability.mode = pb.DURABILITY_MODE_DURABLE
    size = X.nbytes + SAMPLES_TARGETS.nbytes + MESSAGE_BYTES
    made = partial(SampleLedger, layout=layout_of(spec), detail=rpc.DELTA_DETAIL_NONE, keep_deltas=False)
    ledger = made(spec, hurry_bytes=2 * size)
    ledger.opened(at(0, epoch=1))
    assert hurried(ledger, 2) == [False, False]
    ledger.add(SAMPLES, when_durable=True)  # what the user asks for counts
    assert hurried(ledger, 7) == [True, False, False, True, False, False, True, False]
    assert ledger.kept_bytes == 10 * size
    spec.durability.mode = pb.DURABILITY_MODE_MEMORY
    ledger = made(spec, hurry_bytes=1)
    ledger.opened(at(0, epoch=1))
    assert hurried(ledger, 2) == [False, False]


def test_many_small_messages_are_bounded(ledger: SampleLedger) -> None:
    for _ in range(1000):
        ledger.add(Samples(X[:BATCH], SAMPLES_TARGETS[:BATCH], None))
    assert ledger.kept_bytes > 1000 * 1000


def test_the_last_message_is_asked_after_once(ledger: SampleLedger) -> None:
    ledger.hurry()
    assert hurried(ledger, 2) == [False, False]
    ledger.hurry()
    assert ledger.take_unsent() == []  # both are to be answered
    for number, base in ((1, 0), (2, 6)):
        told(ledger, answer(number, base, base + 6, mark=0), done=True)
    for _ in range(2):
        ledger.hurry()
    (again,) = ledger.take_unsent()
    assert (again.offset, again.when_durable) == (12, True)
    assert (ledger.waits, ledger.hurries, ledger.unanswered, ledger.is_durable) == (False, True, 0, False)
    nothing = answer(3, 12, 12, mark=0, durable=12)
    nothing.skipped_samples = 12
    assert told(ledger, nothing, done=True) is None
    assert (ledger.hurries, ledger.kept_bytes, ledger.is_durable, ledger.repeated_samples) == (False, 0, True, 0)
