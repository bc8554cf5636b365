"""Tests of files that are sent for download: their names and headers."""

from urllib.parse import unquote

import pytest

from core.attachments import attachment, disposition

NAMES = [
    "report.pdf",
    "Übersicht 2026.ods",
    "报告.txt",
    'say "hi".txt',
    "two\nlines\r\n.txt",
    "a/b",
    "100%.txt",
    "; x=y",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_survives_and_is_one_header(name):
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    full = header.rpartition("filename*=UTF-8''")[2]
    assert unquote(full) == name
    assert header.count('"') == 2


def test_headers_that_keep_a_browser_from_showing_it():
    response = attachment(iter(()), name="page.html", size=0)
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert response["Content-Disposition"].startswith("attachment;")
