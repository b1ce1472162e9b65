"""Recognition of generated motions against literal cases and torchmetrics."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

from kinetic.metrics.recognition import accuracy, class_accuracy, confusion

LABEL = torch.tensor([0, 0, 0, 2, 2, 3])
PREDICTED = torch.tensor([0, 1, 0, 2, 3, 2])


def draw(n, classes, seed=0):
    rng = torch.Generator().manual_seed(seed)
    label = torch.randint(classes, (n,), generator=rng)
    wrong = torch.randint(classes, (n,), generator=rng)
    return torch.where(torch.rand(n, generator=rng) < 0.6, label, wrong), label


def test_three_of_six_are_recognised():
    assert accuracy(PREDICTED, LABEL) == 0.5
    assert accuracy(PREDICTED, LABEL).dtype == torch.float64


def test_rows_are_requested_classes_and_columns_recognised_ones():
    assert confusion(PREDICTED, LABEL, 4).tolist() == [[2, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 0]]


def test_classes_have_equal_weight():
    result = class_accuracy(PREDICTED, LABEL)
    assert result.label.tolist() == [0, 2, 3]
    assert result.count.tolist() == [3, 2, 1]
    assert result.value.tolist() == pytest.approx([2 / 3, 1 / 2, 0])
    assert result.mean.item() == pytest.approx((2 / 3 + 1 / 2) / 3)


def test_chosen_classes_are_scored_in_their_order():
    result = class_accuracy(PREDICTED, LABEL, classes=[2, 0])
    assert result.label.tolist() == [2, 0]
    assert result.value.tolist() == pytest.approx([1 / 2, 2 / 3])


def test_a_motion_of_another_class_recognised_as_this_one_does_not_change_its_accuracy():
    predicted = PREDICTED.clone()
    predicted[5] = 0
    assert class_accuracy(predicted, LABEL, classes=[0]).value == class_accuracy(PREDICTED, LABEL, classes=[0]).value


@pytest.mark.parametrize("classes", [2, 7, 60])
def test_agrees_with_torchmetrics(classes):
    predicted, label = draw(2000, classes)
    assert torch.equal(confusion(predicted, label, classes), multiclass_confusion_matrix(predicted, label, classes))
    expected = multiclass_accuracy(predicted, label, classes, average="none")
    torch.testing.assert_close(class_accuracy(predicted, label).value.float(), expected)
    expected = multiclass_accuracy(predicted, label, classes, average="micro")
    torch.testing.assert_close(accuracy(predicted, label).float(), expected)


def test_accuracy_follows_from_the_confusion():
    predicted, label = draw(500, 9)
    counts = confusion(predicted, label, 9)
    result = class_accuracy(predicted, label)
    assert counts.sum() == 500
    torch.testing.assert_close(counts.diagonal() / counts.sum(dim=1).double(), result.value)
    assert counts.trace().double() / 500 == accuracy(predicted, label)
    torch.testing.assert_close((result.value * result.count).sum() / 500, accuracy(predicted, label))


def test_the_result_does_not_depend_on_the_order_of_motions():
    predicted, label = draw(100, 5)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(1))
    assert torch.equal(confusion(predicted[order], label[order], 5), confusion(predicted, label, 5))


def test_small_integers_do_not_overflow():
    label = torch.full((3,), 119, dtype=torch.uint8)
    assert confusion(label, label, 120)[119, 119] == 3


def test_classes_without_motions_have_a_row_of_zeros_and_no_accuracy():
    counts = confusion(torch.tensor([0, 1]), torch.tensor([0, 0]), 3)
    assert counts.sum(dim=1).tolist() == [2, 0, 0]
    with pytest.raises(ValueError, match="there is none of class 1, 5"):
        class_accuracy(PREDICTED, LABEL, classes=[0, 1, 5])
    with pytest.raises(ValueError, match="there is none of class any"):
        class_accuracy(PREDICTED, LABEL, classes=[])


def test_numbers_out_of_range_are_named():
    with pytest.raises(ValueError, match="classes recognised must be numbers from 0 to 2, got 3"):
        confusion(PREDICTED, LABEL.clamp(max=2), 3)
    with pytest.raises(ValueError, match="classes requested must be numbers from 0 to 3, got -1"):
        confusion(PREDICTED, LABEL - 1, 4)


@pytest.mark.parametrize("score", [accuracy, class_accuracy, lambda p, y: confusion(p, y, 4)])
def test_wrong_input_is_refused(score):
    with pytest.raises(ValueError, match="classes recognised: expected 6 whole numbers"):
        score(PREDICTED[:5], LABEL)
    with pytest.raises(ValueError, match="classes recognised: expected 6 whole numbers as labels, got torch.float32"):
        score(torch.rand(6), LABEL)
    with pytest.raises(ValueError, match="classes recognised: expected 6 whole numbers"):
        score(torch.rand(6, 4), LABEL)
    with pytest.raises(ValueError, match="classes requested: expected 6 whole numbers"):
        score(PREDICTED, LABEL.double())
    with pytest.raises(ValueError, match="at least one motion"):
        score(PREDICTED[:0], LABEL[:0])
    with pytest.raises(ValueError, match="at least one motion"):
        score(PREDICTED[None], LABEL[None])
