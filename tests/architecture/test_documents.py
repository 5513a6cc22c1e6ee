"""README.md and docs/: every Python block runs, every relative link leads somewhere."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [p for p in [*ROOT.glob("*.md"), *sorted(ROOT.glob("docs/**/*.md"))] if p.is_file()]


def fenced_blocks(text: str) -> Iterator[tuple[str, int, str]]:
    """Yield (language, line of the first line of code, code) of every fenced block."""
    language, start, code = None, 0, []
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"\s*```(.*)", line)
        if fence is None:
            code.append(line)
        elif language is None:
            language, start, code = fence[1].strip(), number + 1, []
        else:
            yield language, start, "\n".join(code) + "\n"
            language = None
    assert language is None, f"A fenced block that starts at line {start - 1} is never closed."


def python_blocks(path: Path) -> list[tuple[int, str]]:
    blocks = fenced_blocks(path.read_text("utf-8"))
    return [(start, code) for language, start, code in blocks if language == "python"]


def prose_of(text: str) -> str:
    """Return a document without its blocks of code."""
    return re.sub(r"^\s*```.*?^\s*```", "", text, flags=re.DOTALL | re.MULTILINE)


def relative_links(text: str) -> list[str]:
    """Return the targets of Markdown and HTML links to files, code excluded."""
    prose = re.sub(r"(`+).*?\1", "code", prose_of(text))
    found = re.findall(r"\]\(<?([^)\s>]+)", prose) + re.findall(r'(?:src|href)="([^"]+)"', prose)
    found += re.findall(r"^\s*\[[^\]]+\]:\s*(\S+)", prose, flags=re.MULTILINE)
    return [t.partition("#")[0] for t in found if not re.match(r"[a-z]+:|#", t)]


def marked_commands(text: str) -> dict[str, list[str]]:
    """Return name -> lines of the bash block that directly follows `<!-- command: name -->`."""
    pattern = r"^<!-- command: (\w+) -->\n+```bash\n(.*?)^```$"
    return {
        name: code.splitlines()
        for name, code in re.findall(pattern, text, flags=re.DOTALL | re.MULTILINE)
    }


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if python_blocks(p)], ids=name_of)
def test_python_blocks_run(path, tmp_path, monkeypatch):
    # A module that can be looked up, so that classes defined in a document work as usual.
    module = ModuleType("document")
    monkeypatch.setitem(sys.modules, "document", module)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    try:
        for start, code in python_blocks(path):
            # Blank lines in front, so that a traceback shows the line of the document.
            exec(compile("\n" * (start - 1) + code, path, "exec"), module.__dict__)
    finally:
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_no_line_begins_with_a_sign_that_makes_it_a_quotation(path):
    """An inequality that was broken before its sign."""
    assert re.findall(r"^[ ]*>.*", prose_of(path.read_text("utf-8")), re.MULTILINE) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_relative_links_lead_somewhere(path):
    links = relative_links(path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_readme_has_exactly_two_commands_of_one_line():
    text = (ROOT / "README.md").read_text("utf-8")
    commands = marked_commands(text)
    assert sorted(commands) == ["main", "tests"]
    assert text.count("<!-- command:") == 2
    assert [name for name, lines in commands.items() if len(lines) != 1] == []


# The readers themselves.

SAMPLE = """\
See [a](a.md), [b](docs/b.md#part), [c](https://example.org), [d](#here) and `[e](e.md)`.
<img src="f.png">

```python
x = "[g](g.md)"
```

<!-- command: tests -->
```bash
make check
```
"""


def test_readers_find_blocks_links_and_commands():
    assert list(fenced_blocks(SAMPLE)) == [
        ("python", 5, 'x = "[g](g.md)"\n'),
        ("bash", 10, "make check\n"),
    ]
    assert relative_links(SAMPLE) == ["a.md", "docs/b.md", "f.png"]
    assert marked_commands(SAMPLE) == {"tests": ["make check"]}


def test_unclosed_block_is_refused():
    with pytest.raises(AssertionError, match="starts at line 1 is never closed"):
        list(fenced_blocks("```python\nx = 1\n"))
