"""The prose of pages, docs, messages and code has none of the worst words, and no letters that look like others.

proselint is not used: of its 109 findings here 95 are about straight quotes, and it knows none of the words below."""

import io
import re
import subprocess
import tokenize
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from podesk_cli.folders import CHECKOUT

pytestmark = pytest.mark.once

BETTER = {  # wrong words, as a regular expression without case: replacement
    r"whoever|whosoever": "users who, a person who, you",
    r"nobody|no one else": "you cannot, no user, not ... by any user",
    r"(?:is|are|was|were|been|be) told|tells of|told (?:once|by|as|in)": "is reported, is shown, is written",
    r"(?:is|are|was|were|be|being) (?:away|deaf)|redis away": "is unavailable, does not answer",
    r"hopeless": "permanent",
    r"patience": "timeout",
    r"counts? (?:as|for nothing)|(?:still|no longer) counts?|does not count": "is, is valid",
    r"the own": "your own, their own",
    r"stands? (?:in|under|beside|against|there|for|on)": "is in, means, prevents",
    r"in the place of|comes? about": "instead of, happens",
    r"(?:if|when|until|where|that|what|and|so|but|because) he|he (?:is|has|was|may|can|cannot|does|will)": "they",
    r"(?:of|in|to|for|with|by) his|himself": "their, themselves",
    r"of those who|for those who": "of users who, for users who",
    r"should there be|should the|should redis": "if",
    r"for ever": "forever, without a limit",
    r"at the door|through the door": "say what happens",
}
WRONG = re.compile("|".join(rf"(?P<w{n}>\b(?:{pattern})\b)" for n, pattern in enumerate(BETTER)), re.IGNORECASE)
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/*.md",
    "docs/openapi.yaml",
    "portal/api/description.md",
    "templates/*.html",
]
# Python whose comments and strings are checked; `*` crosses folders.
CLEAN_CODE = [
    *("accounts/*.py", "bench/*.py", "core/*.py", "desktops/*.py", "podesk_cli/*.py", "portal/*.py", ".ci/*.py"),
    ":!*/tests/*",
]
# All that people read or copy, also its code. Tests type other scripts on purpose.
TEXTS = [":!tests/*", ":!*/tests/*", ":!*.png", ":!*.svg"]
LETTERS = {"µ"}  # of a unit
# The keyboard of another script is what these lines are about.
OTHER_SCRIPT = "Ctrl+\N{CYRILLIC CAPITAL LETTER ES} on a Russian"
CATALOGUES = sorted((CHECKOUT / "locale").glob("*/LC_MESSAGES/*.po"))


def files(patterns: list[str]) -> list[str]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (CHECKOUT / name).exists()]


def findings(where: str, lines: Iterator[tuple[int, str]]) -> list[str]:
    """Return a sentence for each wrong word, beginning with the file and the line."""
    return [
        f"{where}:{number}: {found[0]!r}, better: {list(BETTER.values())[int(str(found.lastgroup)[1:])]}"
        for number, line in lines
        for found in WRONG.finditer(line)
    ]


def prose_of_page(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a page without its code."""
    yield from enumerate(re.sub(r"`[^`\n]*`|\{%.*?%\}", "", path.read_text()).splitlines(), 1)


def prose_of_code(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of comments and of strings with a space, such as docstrings and printed texts."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and " " in token.string):
            yield from enumerate(re.sub(r"`[^`\n]*`", "", token.string).splitlines(), token.start[0])


def look_alikes(where: str, lines: Iterator[tuple[int, str]]) -> list[str]:
    """Return a sentence for each letter or space that a reader takes for another one."""
    return [
        f"{where}:{number}: {unicodedata.name(letter, 'unnamed')} in {line.strip()[:60]!r}"
        for number, line in lines
        for letter in line.replace(OTHER_SCRIPT, "")
        if _misleads(letter)
    ]


def _misleads(letter: str) -> bool:
    """Return whether it is a letter of neither English nor Chinese, an odd space, or invisible."""
    if letter.isascii() or letter in LETTERS or unicodedata.name(letter, "").startswith("CJK UNIFIED"):
        return False
    return unicodedata.category(letter) in (
        "Cf",
        "Cc",
        "Ll",
        "Lm",
        "Lo",
        "Lt",
        "Lu",
        "Mn",
        "Nd",
        "Nl",
        "Zl",
        "Zp",
        "Zs",
    )


@pytest.mark.parametrize("name", files(TEXTS))
def test_letters(name):
    text = (CHECKOUT / name).read_text(errors="ignore")
    assert not look_alikes(name, enumerate(text.splitlines(), 1))


@pytest.mark.parametrize(
    "wrong", ["fa\u0131led", "p\u0430ssword", "\u0397ome", "\uff41dmin", "10\u00a0MiB", "a\u200bb"]
)
def test_look_alikes_are_found(wrong):
    assert look_alikes("page", iter([(1, wrong)]))[0].startswith("page:1: ")


@pytest.mark.parametrize(
    "right", ["plain – “quoted” … 10 µs → 4", "桌面。（已停止）", "Ctrl+\u0421 on a Russian keyboard"]
)
def test_other_letters_pass(right):
    assert not look_alikes("page", iter([(1, right)]))


@pytest.mark.parametrize("page", files(PAGES))
def test_page(page):
    assert not findings(page, prose_of_page(CHECKOUT / page))


@pytest.mark.parametrize("module", files(CLEAN_CODE))
def test_code(module):
    assert not findings(module, prose_of_code(CHECKOUT / module))


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.name)
def test_messages(path):
    with path.open("rb") as source:
        messages = [message for message in read_po(source) if message.id]
    texts = ((message.lineno or 0, text) for message in messages for text in _forms(message.id))
    assert not findings(str(path.relative_to(CHECKOUT)), texts)


def _forms(msgid: str | tuple[str, ...]) -> tuple[str, ...]:
    return (msgid,) if isinstance(msgid, str) else tuple(msgid)


@pytest.mark.parametrize(
    "wrong", ["Whoever asks", "Redis is away", "when he signs in", "It stands in the log", "the own account"]
)
def test_finds(wrong):
    assert findings("page", iter([(1, wrong)]))[0].startswith("page:1: ")


@pytest.mark.parametrize("right", ["The server", "Broadcasts", "to historic days", "Your own account", "She hesitates"])
def test_passes(right):
    assert not findings("page", iter([(1, right)]))
