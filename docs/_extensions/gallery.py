"""Gallery: one page per study, made of its README section, its script and its data file.

Before a build, `gallery/` is written: an overview of thumbnails, and for every script in the
FOLDERS a page with what the README of its folder says under `## NAME: question?`. Nothing is told
twice: whoever changes a README changes the page. A study without a question, a command, a figure
or one of the two paragraphs of physics stops the build with a sentence.

In all other pages links to a script or a README of the studies lead to the gallery.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDERS = ("beyond_mean_field", "mean_field", "classical", "validation", "convergence")
SHOW, SHOW_NOT = "*What the data show.*", "*What they do not show.*"
COMMAND = re.compile(r"^    (python \S+)(?: *# *(.*))?$\n", re.MULTILINE)  # and its run time
FIGURE = re.compile(r"^!\[(.*)\]\((\S+)\)$\n", re.MULTILINE)
THUMBNAIL = 520  # width in pixels
DO_NOT_EDIT = "<!-- Written by docs/_extensions/gallery.py from the README of the studies. -->\n"


@dataclass(frozen=True)
class Study:
    """What is known about one study; texts are Markdown as it stands in the README."""

    folder: str
    name: str
    question: str
    subject: str  # first line of the script
    method: str  # the rest of its docstring, without question and command
    command: str
    run_time: str
    figure: str  # name of the file
    alt: str
    numbers: str
    shown: str
    not_shown: str


@dataclass(frozen=True)
class Folder:
    """A folder of studies: the head of its README, and the studies in the order of the README."""

    name: str
    title: str
    introduction: str
    studies: tuple[Study, ...]


def read_folder(path: Path) -> Folder:
    """Read README.md and the scripts of a folder."""
    head, *sections = re.split(r"^## ", (path / "README.md").read_text("utf-8"), flags=re.MULTILINE)
    title, _, introduction = head.removeprefix("# ").partition("\n")
    studies = tuple(read_study(path, section) for section in sections)
    described = [study.name for study in studies]
    scripts = sorted(p.stem for p in path.glob("[!_]*.py"))
    if sorted(described) != scripts:
        raise ValueError(
            f"{path.name}/README.md must have one section for every script, but the sections are "
            f"{sorted(described)} and the scripts {scripts}. Write '## NAME: question?'."
        )
    return Folder(path.name, title.strip(), introduction.strip(), studies)


def read_study(path: Path, section: str) -> Study:
    """Take one section of a README apart."""
    heading, _, body = section.partition("\n")
    name, _, question = (part.strip() for part in heading.partition(":"))

    def need(found: Any, what: str) -> Any:
        if not found:
            where = f"Section '{name}' of {path.name}/README.md"
            raise ValueError(f"{where} must have {what}, but has none.")
        return found

    need(question.endswith("?") and question, "a question in its heading, 'NAME: question?'")
    command = need(COMMAND.search(body), "a command")
    figure = need(FIGURE.search(body), "a figure")
    need((path / figure[2]).is_file(), f"its figure {figure[2]} in the folder")
    need((path / name).with_suffix(".h5").is_file(), f"its data {name}.h5 in the folder")
    need(command[1].endswith(f"{path.name}/{name}.py") and command[1], "the command of its script")
    text = body.replace(command[0], "").replace(figure[0], "")
    numbers, _, physics = text.partition(SHOW)
    shown, _, not_shown = physics.partition(SHOW_NOT)
    need(numbers.strip(), "numbers in front of what the data show")
    subject, method = read_docstring((path / name).with_suffix(".py"))
    return Study(
        folder=path.name, name=name, question=question[0].upper() + question[1:],
        subject=subject, method=method, command=command[1], run_time=command[2] or "",
        figure=figure[2], alt=figure[1], numbers=numbers.strip(),
        shown=need(shown.strip(), f"a paragraph '{SHOW}'"),
        not_shown=need(not_shown.strip(), f"a paragraph '{SHOW_NOT}'"),
    )  # fmt: skip


def read_docstring(script: Path) -> tuple[str, str]:
    """Return the first line of a docstring, and the rest without question and command."""
    doc = ast.get_docstring(ast.parse(script.read_text("utf-8"))) or ""
    subject, *paragraphs = doc.split("\n\n")
    told = ("Question", "Command:", "Run time:")
    return " ".join(subject.split()), "\n\n".join(p for p in paragraphs if not p.startswith(told))


def linked(text: str, study: Study, folders: tuple[Folder, ...]) -> str:
    """Make links of other studies and of documents that a text names."""
    pages = {s.name: f"../{s.folder}/{s.name}.md" for f in folders for s in f.studies}

    def to_study(match: re.Match[str]) -> str:
        folder, name = match[1], match[2]
        known = name in pages and name != study.name and (folder or "_" in name)
        return f"[`{name}`]({pages[name]})" if known else match[0]

    text = re.sub(r"`(?:studies/)?(\w+/)?(\w+)(?:\.py)?`", to_study, text)
    return re.sub(r"(?<!\]\()(?<![\w/\[.])docs/(\w+)\.md", r"[\1](../../\1.md)", text)


def data_tables(path: Path) -> str:
    """Return parameters and variables of a data file as folded tables."""
    import h5py  # opens these files ten times as fast as xarray

    with h5py.File(path) as data:
        parameters = json.loads(data.attrs["parameters"])
        version = data.attrs["tnhop"]
        rows = [
            (f"`{name}`", dimensions(v), f"`{v.attrs['units']}`", cell(v.attrs["long_name"]))
            for name, v in data.items()
            if "units" in v.attrs and not v.is_scale  # no coordinate
        ]
    settings = [(f"`{k}`", f"`{json.dumps(v, ensure_ascii=False)}`") for k, v in parameters.items()]
    return (
        f"<details><summary>Parameters of this run (tnhop {version})</summary>\n\n"
        f"{table(('name', 'value'), settings)}\n</details>\n\n"
        "<details><summary>Variables of the data file</summary>\n\n"
        f"{table(('name', 'dimensions', 'unit', 'meaning'), rows)}\n</details>\n"
    )


def dimensions(variable: Any) -> str:
    """Return the names of the dimensions of an HDF5 dataset with scales."""
    return cell(", ".join(d[0].name.removeprefix("/") for d in variable.dims)) or "–"


def cell(text: str) -> str:
    """Escape what would end a cell of a table or start other markup."""
    return re.sub(r"([|*_$<>\[\]`\\])", r"\\\1", text)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def study_page(study: Study, folder: Folder, folders: tuple[Folder, ...], studies: Path) -> str:
    """Return the page of a study."""
    source = f"../../../studies/{study.folder}"
    runs = f"({study.run_time})" if study.run_time else ""

    def text(markdown: str) -> str:
        return linked(markdown, study, folders)

    return f"""{DO_NOT_EDIT}
# {study.question}

{study.subject}

```{{figure}} {source}/{study.figure}
:alt: {study.alt}
:width: 100%
```

Command: `{study.command}` {runs}; script
{{download}}`{study.name}.py <{source}/{study.name}.py>`, data
{{download}}`{study.name}.h5 <{source}/{study.name}.h5>`.

## Numbers

{text(study.numbers)}

## What the data show

{text(study.shown)}

## What they do not show

{text(study.not_shown)}

## How it was computed

{text(study.method)}

*{folder.title}.* {text(folder.introduction)}

{data_tables((studies / study.folder / study.name).with_suffix(".h5"))}"""


def overview(folders: tuple[Folder, ...]) -> str:
    """Return the page of thumbnails and questions."""
    parts = [
        f"{DO_NOT_EDIT}\n# Gallery\n\nEvery study answers one question. Its page has the figure, "
        "the command that makes it, the numbers, and what they show and do not show. What they say "
        "together is in [open questions](../open_questions.md).\n"
    ]
    for folder in folders:
        parts.append(f"\n## {folder.title}\n\n::::{{container}} studies\n")
        for s in folder.studies:
            page, picture = f"{s.folder}/{s.name}.md", f"thumbnails/{s.folder}-{s.name}.png"
            parts.append(
                f"\n:::{{container}} study\n[![{s.alt}]({picture})]({page})\n\n"
                f"[{s.question}]({page})\n:::\n"
            )
        pages = "".join(f"{s.name} <{s.folder}/{s.name}>\n" for s in folder.studies)
        parts.append(f"::::\n\n```{{toctree}}\n:hidden:\n:caption: {folder.title}\n\n{pages}```\n")
    return "".join(parts)


def write_pages(studies: Path, gallery: Path) -> list[Path]:
    """Write all pages and thumbnails that differ from what is there, and remove others."""
    folders = tuple(read_folder(studies / name) for name in FOLDERS)
    wanted = {gallery / "index.md": overview(folders)}
    for folder in folders:
        for study in folder.studies:
            page = gallery / folder.name / f"{study.name}.md"
            wanted[page] = study_page(study, folder, folders, studies)
    for page, text in wanted.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        if not page.is_file() or page.read_text("utf-8") != text:
            page.write_text(text, "utf-8")
    pictures = list(write_thumbnails(folders, studies, gallery / "thumbnails"))
    kept = {*wanted, *pictures}
    for path in gallery.rglob("*"):
        if path.is_file() and path not in kept:
            path.unlink()
    return list(wanted)


def write_thumbnails(folders: tuple[Folder, ...], studies: Path, target: Path) -> Iterator[Path]:
    """Shrink all figures."""
    from PIL import Image

    target.mkdir(parents=True, exist_ok=True)
    for folder in folders:
        for study in folder.studies:
            figure = studies / folder.name / study.figure
            path = target / f"{folder.name}-{study.name}.png"
            if not path.is_file() or path.stat().st_mtime < figure.stat().st_mtime:
                picture = Image.open(figure).convert("RGB")
                picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
                picture.quantize(64).save(path, optimize=True)
            yield path


def lead_to_gallery(app: Any, docname: str, source: list[str]) -> None:
    """Replace links to scripts and READMEs of the studies by links to their pages."""
    if docname.startswith("gallery/"):
        return
    up = "../" * docname.count("/")

    def page(match: re.Match[str]) -> str:
        folder, name = match[1], match[2]
        if folder not in FOLDERS:
            return match[0]
        return f"]({up}gallery/{f'{folder}/{name}.md' if name else 'index.md'})"

    source[0] = re.sub(r"\]\((?:\.\./)+studies/(\w+)/(?:README\.md|(\w+)\.py)\)", page, source[0])


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    from sphinx.errors import ExtensionError

    def write(app: Any) -> None:
        docs = Path(app.srcdir)
        try:
            write_pages(docs.parent / "studies", docs / "gallery")
        except ValueError as error:
            raise ExtensionError(str(error)) from error

    app.connect("builder-inited", write)
    app.connect("source-read", lead_to_gallery)
    return {"parallel_read_safe": True}
