"""Geometry: composition, counting and placing of windows."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cnn_core.errors import GeometryError, ShapeError
from cnn_core.geometry import (
    Window,
    compose,
    conv_window,
    crop_offsets,
    output_length,
    same_padding,
)
from cnn_core.layers import (
    Conv1d,
    Downsample,
    LocalResponseNorm,
    MaxPool,
    MedianPool,
    Upsample,
    WordPath,
)
from cnn_core.layers.patches import paddings, per_axis
from cnn_core.scan import scan

windows = st.builds(
    Window, size=st.integers(1, 9), step=st.integers(1, 5), start=st.integers(-4, 4)
)


@given(windows, windows, windows)
def test_composition_is_associative(a, b, c):
    """A stack has one window, however it is bracketed."""
    assert (a @ b) @ c == a @ (b @ c)


@given(windows)
def test_the_identity_changes_nothing(a):
    assert Window() @ a == a
    assert a @ Window() == a


@given(windows, windows, st.integers(0, 20))
def test_a_span_is_the_union_of_the_spans_it_is_made_of(a, b, index):
    """Output i of the stack sees all that its inputs saw, and no more at the ends."""
    first, past = b.span(index)
    assert (a @ b).span(index) == (a.span(first)[0], a.span(past - 1)[1])


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 200))
def test_count_is_how_many_spans_fit(kernel, stride, dilation, length):
    window = conv_window(kernel, stride, dilation)
    count = window.count(length)
    assert count == sum(window.span(i)[1] <= length for i in range(length + 1))
    assert 0 <= window.uncovered(length) <= length


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 60))
def test_the_plain_formula_counts_as_windows_do(kernel, stride, dilation, length):
    assert output_length(length, kernel, stride, dilation) == conv_window(
        kernel, stride, dilation
    ).count(length)


@example(kernel=1, stride=5, before=3, after=0, length=0)
@given(
    st.integers(1, 6), st.integers(1, 5), st.integers(0, 3), st.integers(0, 3), st.integers(0, 40)
)
def test_uncovered_inputs_are_those_behind_the_last_window(kernel, stride, before, after, length):
    """Padding behind the signal may carry a window past its end: then nothing is left over."""
    window = conv_window(kernel, stride, 1, before)
    padding = before + after
    windows = window.count(length, padding)
    seen = [i for index in range(windows) for i in range(*window.span(index))]
    behind = [i for i in range(length) if not seen or i > max(seen)]
    assert window.uncovered(length, padding) == len(behind)


def test_seven_inputs_under_three_at_stride_three():
    """Unpadded the last input is left over; one zero on both sides, and all are seen."""
    assert conv_window(3, 3).uncovered(7) == 1
    assert conv_window(3, 3, 1, 1).uncovered(7, 2) == 0


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 50))
def test_same_padding_keeps_the_length(kernel, dilation, length):
    before, after = same_padding(kernel, dilation)
    assert conv_window(kernel, 1, dilation).count(length, before + after) == length


def test_same_padding_of_even_filters_is_larger_in_front():
    """Even filters L/2 before and L/2-1 after, as the lectures say."""
    assert same_padding(4) == (2, 1)
    assert same_padding(5) == (2, 2)


def test_the_spotters_trunk():
    """Five frames, then five with stride 3, then three dilated: 9 + 3 * 4 = 21 frames, step 3."""
    stack = [(conv_window(5),), (conv_window(5, 3),), (conv_window(3, 1, 2),)]
    assert compose(stack) == (Window(21, 3, 0),)


def test_upsampling_divides_the_step():
    up = Window(1, Fraction(1, 2), 0, Fraction(1, 2))
    assert [up.span(i) for i in range(4)] == [(0, 1), (0, 1), (1, 2), (1, 2)]
    assert [(up @ Window(3)).span(i) for i in range(3)] == [(0, 2), (0, 2), (1, 3)]
    assert (Window(3, 2, -1) @ up).span(1) == (-1, 3)  # its own (-1, 2) and its twin's (0, 3)


def test_branches_are_aligned_by_their_centres():
    assert crop_offsets([Window(), Window(5)]) == (2, 0)
    assert crop_offsets([Window(), Window(3, 1, -1)]) == (0, 0)


def test_branches_of_different_steps_are_refused():
    with pytest.raises(GeometryError, match="expected one step for all"):
        crop_offsets([Window(1, 1), Window(1, 2)])


def test_a_window_must_have_a_size():
    with pytest.raises(GeometryError, match="expected size >= 1"):
        Window(0)


@pytest.mark.parametrize("number", [np.int64(2), np.uint8(2), 2])
def test_whole_numbers_of_any_kind_are_settings(number):
    assert per_axis(number, 2) == per_axis((number, 2), 2) == (2, 2)
    assert paddings(number, (3,), (1,)) == paddings(((number, 2),), (3,), (1,)) == ((2, 2),)
    assert all(type(n) is int for n in per_axis((number, number), 2))


@pytest.mark.parametrize("setting", [3.0, (3.0, 3.0), "3", (0, 1), (1,), None])
def test_what_is_no_whole_number_is_no_setting(setting):
    with pytest.raises(GeometryError, match=r"stride: got .* expected 2 numbers >= 1"):
        per_axis(setting, 2, "stride")


@pytest.mark.parametrize(
    "make",
    [
        lambda: MaxPool(2, 2),
        lambda: MedianPool(2, 2),
        lambda: Downsample(2),
        lambda: Upsample(2),
        lambda: MedianPool.create(0),
        lambda: WordPath(((1,),), 0, -8.0),
        lambda: Conv1d(np.zeros((0, 2, 3)), None, (1,), (1,), ((0, 0),)),
        lambda: Conv1d(np.zeros((3, 0, 3)), None, (1,), (1,), ((0, 0),)),
        lambda: LocalResponseNorm(alpha=float("nan")),
        lambda: LocalResponseNorm(beta=float("inf")),
    ],
)
def test_a_layer_that_could_not_run_is_refused_by_name(make):
    with pytest.raises((GeometryError, ShapeError), match=r"^[A-Z]\w+.*: .*got .* expected"):
        make()


def test_no_more_is_uncovered_than_there_is():
    """The only window of one input lies in the padding before it."""
    layer = Conv1d.create(np.random.default_rng(0), 1, 1, 1, stride=5, padding=((3, 0),))

    assert scan(layer, np.ones((1, 1, 1), np.float32)).uncovered == (1,)


def _branch(size, kind):
    """An odd window that begins at input 0, is centred at it, or ends there."""
    return Window(size, 1, {"valid": 0, "same": -(size // 2), "causal": 1 - size}[kind])


branches = st.builds(
    _branch, st.sampled_from([1, 3, 5, 7]), st.sampled_from(["valid", "same", "causal"])
)


@given(st.lists(branches, min_size=3, max_size=4))
@example([_branch(1, "causal"), _branch(5, "causal"), _branch(3, "valid")])
def test_a_third_branch_does_not_change_how_two_meet(windows):
    first, second, *_ = crop_offsets(windows)
    alone = crop_offsets(windows[:2])

    assert first - second == alone[0] - alone[1]
    assert min(alone) == 0


def test_causal_branches_that_pool_are_centred():
    """Causal filters of 3 and of 11, each before a pool of 2: no longer at their ends."""
    pool = Window(2, 2)

    assert crop_offsets([Window(3, 1, -2) @ pool, Window(11, 1, -10) @ pool]) == (0, 2)


def test_branches_that_end_alike_by_accident_are_centred():
    """Five places from -2 on and three from 0 on both end at 3, and neither is causal."""
    assert crop_offsets([Window(5, 1, -2), Window(3)]) == (1, 0)
