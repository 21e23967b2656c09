"""Geometry: composition, counting and placing of windows."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cnn_core.errors import GeometryError
from cnn_core.geometry import (
    Window,
    compose,
    conv_window,
    crop_offsets,
    output_length,
    same_padding,
)

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
