"""Markdown tables."""

import pytest

from cifar_mlp.common.markdown import table


def test_leading_columns_are_left_aligned_and_pipes_are_escaped():
    assert table(["name", "what", "ms"], [["a|b", "c", "1.5"]], words=2) == (
        "| name | what | ms |\n| --- | --- | --: |\n| a\\|b | c | 1.5 |\n"
    )


def test_a_row_that_does_not_fit_the_header_is_refused():
    with pytest.raises(ValueError, match="1 cells in a table of 2 columns"):
        table(["name", "value"], [["alone"]])
