"""A table opens in a spreadsheet as text and numbers, never as a formula."""

import csv
from io import StringIO

import pytest

from core.csv_table import csv_table

pytestmark = pytest.mark.once


def cell(value) -> str:
    [_, [found]] = csv.reader(StringIO(csv_table(["name"], [[value]]), newline=""))
    return found


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "  @"])
def test_formula_becomes_text(start):
    assert cell(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("text", ["alice", "a=b", "a-b", "", "张伟", 'with "quotes", and commas', "two\nlines"])
def test_other_text_is_unchanged(text):
    assert cell(text) == text


def test_negative_number_stays_a_number():
    assert cell(-1.5) == "-1.5"
